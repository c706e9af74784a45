import { describe, expect, test } from 'vitest'
import { Refusal } from '../../core/refusal.ts'
import type { PresetRoute } from '../presets/preset.ts'
import type { BodyRules, CallBody } from './call-body.ts'
import { readCall, readCallInSteps } from './read-call.ts'

const chat: PresetRoute = {
  method: 'POST',
  path: '/v1/chat/completions',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'openai',
  streams: 'asked',
  output: {
    fields: ['max_completion_tokens', 'max_tokens'],
    writes: 'max_tokens',
    isOpenBelowOne: false,
    answers: [['n']],
  },
}
const completions: PresetRoute = {
  ...chat,
  path: '/v1/completions',
  output: {
    fields: ['max_tokens'],
    writes: 'max_tokens',
    isOpenBelowOne: false,
    answers: [['n', 'best_of']],
    prompts: 'prompt',
  },
}
const ollamaChat: PresetRoute = {
  ...chat,
  path: '/api/chat',
  dialect: 'ollama',
  form: 'ollama',
  streams: 'unless refused',
  output: {
    fields: ['options.num_predict'],
    writes: 'options.num_predict',
    isOpenBelowOne: true,
    answers: [],
  },
}

function rulesOf(route: PresetRoute, more: Partial<BodyRules> = {}): BodyRules {
  return {
    route,
    closedFields: [
      { field: 'priority' },
      { field: 'keep_alive', paths: ['/api/chat'] },
      { field: 'options.num_ctx' },
      { field: 'background', value: true },
    ],
    refusesMediaByUrl: true,
    ...more,
  }
}

const rules = rulesOf(chat)
const ollamaRules = rulesOf(ollamaChat)

function read(text: string | Buffer, by: BodyRules = rules): CallBody {
  return readCall(Buffer.from(text), by)
}

/** The faults of a body, `["model: ambiguous"]`; those of the whole begin with the colon. */
function faultsOf(text: string | Buffer, by: BodyRules = rules): readonly string[] {
  try {
    read(text, by)
  } catch (thrown) {
    if (!(thrown instanceof Refusal) || thrown.code !== 'input_invalid') throw thrown
    return (thrown.errors ?? []).map(({ loc, type }) => `${loc.slice(1).join('.')}: ${type}`)
  }
  return []
}

describe('a body that no parser reads, or not every one, is refused', () => {
  test.each<[string, string | Buffer, string]>([
    ['nothing', '', ': missing'],
    ['text', 'hello', ': json_invalid'],
    ['half of it', '{"model":"a","messages":[', ': json_invalid'],
    ['half a text', '{"model":"a', ': json_invalid'],
    ['half an escape', '{"model":"a\\u00', ': json_invalid'],
    ['space alone', ' \n', ': json_invalid'],
    ['a BOM before it', '\uFEFF{"model":"a"}', ': json_invalid'],
    ['UTF-16, little endian', Buffer.from('{"model":"a"}', 'utf16le'), ': json_invalid'],
    ['UTF-16, with its BOM', Buffer.from('\uFEFF{"model":"a"}', 'utf16le'), ': unicode_invalid'],
    ['Latin-1', Buffer.from('{"model":"caf\u00e9"}', 'latin1'), ': unicode_invalid'],
    [
      'half a character',
      Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
      ': unicode_invalid',
    ],
    ['a list', '[{"model":"a"}]', ': object_type'],
    ['a JSON text', '"model"', ': object_type'],
    ['text behind it', '{"model":"a"} {"model":"b"}', ': json_invalid'],
    ['a comma too many', '{"model":"a",}', ': json_invalid'],
    ['a comment', '{"model":"a"/**/}', ': json_invalid'],
    ['single quotes', "{'model':'a'}", ': json_invalid'],
    ['NaN', '{"model":"a","temperature":NaN}', ': json_invalid'],
    ['a number with a zero before it', '{"model":"a","seed":01}', ': json_invalid'],
    ['a control character in a text', '{"model":"a\n"}', ': json_invalid'],
    ['a bracket that another closes', '{"model":"a","x":[}]', ': json_invalid'],
    ['129 levels', `{"x":${'['.repeat(128)}${']'.repeat(128)}}`, ': recursion'],
    ['`__proto__`', '{"model":"a","__proto__":{}}', ': name_forbidden'],
    ['`__proto__` far within, with an escape', '{"tools":[{"\\u005f_proto__":1}]}', ': name_forbidden'],
    ['a number of a thousand digits and more', `{"seed":${'1'.repeat(1_025)}}`, ': ambiguous'],
  ])('%s', (_, body, fault) => {
    expect(faultsOf(body)).toEqual([fault])
  })

  test('128 levels are read', () => {
    expect(read(`{"model":"a","x":${'['.repeat(127)}${']'.repeat(127)}}`).model).toBe('a')
  })
})

describe('the model that is checked is the one that is asked', () => {
  test.each([
    ['missing', '{"messages":[{"role":"user","content":"hi"}]}', undefined],
    ['null', '{"model":null}', undefined],
    ['inside messages only', '{"messages":[{"model":"a","content":"hi"}]}', undefined],
    ['with escapes', '{"\\u006dodel":"\\u0061"}', 'a'],
    ['of 256 characters', `{"model":"${'m'.repeat(256)}"}`, 'm'.repeat(256)],
  ])('%s', (_, body, model) => {
    expect(read(body).model).toBe(model)
  })

  test.each([
    ['empty', '{"model":""}', 'model: string_too_short'],
    ['a number', '{"model":5}', 'model: ambiguous'],
    ['a list', '{"model":["a"]}', 'model: ambiguous'],
    ['of 300 characters', `{"model":"${'m'.repeat(300)}"}`, 'model: string_too_long'],
    ['twice', '{"model":"a","model":"b"}', 'model: ambiguous'],
    ['twice, one with an escape', '{"model":"a","m\\u006fdel":"b"}', 'model: ambiguous'],
    ['twice, one in capitals', '{"MODEL":"b","model":"a"}', 'model: ambiguous'],
    ['in another case alone', '{"Model":"a"}', 'model: ambiguous'],
    ['with half a character', '{"model":"a\\ud800"}', 'model: ambiguous'],
    ['beside a name with half a character', '{"model":"a","model\\udc00":"b"}', ': ambiguous'],
    ['beside a name that ends it in C', '{"model":"a","model\\u0000":"b"}', ': ambiguous'],
  ])('%s is refused', (_, body, fault) => {
    expect(faultsOf(body)).toEqual([fault])
  })

  test.each(['\u017ftream', 'STREAM', '\\u017Ftream', 'S\\u0074ream'])(
    '%s, which parsers in Go take for a field, is refused',
    (name) => {
      expect(faultsOf(`{"model":"a","${name}":true}`)).toEqual(['stream: ambiguous'])
    },
  )

  test('the Kelvin sign is a k to parsers in Go', () => {
    expect(faultsOf('{"\u212aeep_alive":5}', ollamaRules)).toEqual(['keep_alive: ambiguous'])
  })
})

describe('a stream', () => {
  test.each([
    ['{"stream":true}', true, true],
    ['{"stream":false}', false, false],
    ['{"stream":null}', false, true],
    ['{}', false, true],
  ])('is asked for by %s: %s, of Ollama: %s', (body, isStream, isOllamaStream) => {
    expect(read(body).isStream).toBe(isStream)
    expect(read(body, ollamaRules).isStream).toBe(isOllamaStream)
  })

  test.each(['"true"', '1', '[true]'])('%s is not a boolean', (value) => {
    expect(faultsOf(`{"stream":${value}}`)).toEqual(['stream: ambiguous'])
  })

  test.each([
    ['null', false],
    ['{}', false],
    ['{"include_usage":true,"continuous_usage_stats":true}', true],
    ['{"include_usage":false}', false],
    ['{"include_usage":null}', false],
  ])('has its usage asked for by %s: %s', (options, asks) => {
    expect(read(`{"stream_options":${options}}`).asksUsage).toBe(asks)
  })

  test.each([
    ['"include_usage"', 'stream_options: ambiguous'],
    ['{"include_usage":1}', 'stream_options.include_usage: ambiguous'],
    ['{"include_usage":true,"include_usage":false}', 'stream_options.include_usage: ambiguous'],
  ])('options %s are refused', (options, fault) => {
    expect(faultsOf(`{"stream_options":${options}}`)).toEqual([fault])
  })
})

describe('bounds', () => {
  test.each([
    ['{}', undefined],
    ['{"max_tokens":null}', undefined],
    ['{"max_tokens":0}', 0],
    ['{"max_tokens":500}', 500],
    ['{"max_tokens":500,"max_completion_tokens":20}', 500],
    ['{"max_tokens":2147483647}', 2_147_483_647],
  ])('%s are %s', (body, output) => {
    expect(read(body).output).toBe(output)
  })

  test.each([
    ['-1', 'ambiguous'],
    ['-0', 'ambiguous'],
    ['1.5', 'ambiguous'],
    ['1.0', 'ambiguous'],
    ['1e3', 'ambiguous'],
    ['"9999"', 'ambiguous'],
    ['true', 'ambiguous'],
    ['2147483648', 'less_than_equal'],
    ['1000000000000', 'less_than_equal'],
  ])('%s is refused: %s', (value, type) => {
    expect(faultsOf(`{"max_tokens":${value}}`)).toEqual([`max_tokens: ${type}`])
    expect(faultsOf(`{"n":${value}}`)).toEqual([`n: ${type}`])
  })

  test.each([
    ['-1', undefined],
    ['0', undefined],
    ['7', 7],
    ['null', undefined],
  ])('num_predict %s is %s', (value, output) => {
    expect(read(`{"options":{"num_predict":${value}}}`, ollamaRules).output).toBe(output)
  })

  test.each(['-2', '1.0', '"7"'])('num_predict %s is refused', (value) => {
    const body = `{"options":{"num_predict":${value}}}`
    expect(faultsOf(body, ollamaRules)).toEqual(['options.num_predict: ambiguous'])
  })

  test.each([
    ['{"prompt":"a"}', 1],
    ['{"prompt":["a","b","c"]}', 3],
    ['{"prompt":[[1,2],[3]]}', 2],
    ['{"prompt":[1,2,3]}', 1],
    ['{"prompt":[1,"b"]}', 2],
    ['{"prompt":[]}', 1],
    ['{"prompt":["a","b"],"n":3,"best_of":5}', 10],
    ['{"n":0}', 1],
    ['{"best_of":null,"n":2}', 2],
  ])('%s makes %i answers', (body, answers) => {
    expect(read(body, rulesOf(completions)).answers).toBe(answers)
  })
})

describe('closed fields', () => {
  test.each([
    ['{"priority":1}', rules, 'priority: extra_forbidden'],
    ['{"priority":{"a":1}}', rules, 'priority: extra_forbidden'],
    ['{"\\u0070riority":1}', rules, 'priority: extra_forbidden'],
    ['{"Priority":1}', rules, 'priority: ambiguous'],
    ['{"keep_alive":-1}', ollamaRules, 'keep_alive: extra_forbidden'],
    ['{"options":{"num_ctx":1}}', rules, 'options.num_ctx: extra_forbidden'],
    ['{"options":{"NUM_CTX":1}}', rules, 'options.num_ctx: ambiguous'],
    ['{"options":[]}', rules, 'options: ambiguous'],
    ['{"background":true}', rules, 'background: extra_forbidden'],
    ['{"background":"true"}', rules, 'background: extra_forbidden'],
  ])('%s is refused', (body, by, fault) => {
    expect(faultsOf(body, by)).toEqual([fault])
  })

  test.each([
    '{"priority":null}',
    '{"background":false}',
    '{"keep_alive":5}',
    '{"options":{"num_ctx":null}}',
  ])('%s passes', (body) => {
    expect(faultsOf(body)).toEqual([])
  })

  test('one refusal names each', () => {
    expect(faultsOf('{"priority":1,"n":"2","background":true}')).toEqual([
      'priority: extra_forbidden',
      'background: extra_forbidden',
      'n: ambiguous',
    ])
  })
})

describe('media', () => {
  const part = (text: string): string => `{"messages":[{"role":"user","content":[${text}]}]}`

  test.each([
    part('{"type":"image_url","image_url":{"url":"http://10.0.0.1/a.png"}}'),
    part('{"type":"image_url","image_url":"https://example.com/a.png"}'),
    part('{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}'),
    part('{"type":"image_url","image_url":{"\\u0075rl":"http://10.0.0.1/"}}'),
    part('{"type":"image_url","Image_URL":{"URL":"http://10.0.0.1/"}}'),
    part('{"image_url":{"url":"data:,","url":"http://10.0.0.1/"}}'),
    part('{"type":"video_url","video_url":{"url":"http://10.0.0.1/"}}'),
    part('{"type":"audio_url","audio_url":{"url":"http://10.0.0.1/"}}'),
    part('{"type":"image","source":{"type":"url","url":"http://10.0.0.1/"}}'),
    part('{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"http://a/"}}]}'),
    '{"input":[{"role":"user","content":[{"type":"input_image","image_url":"http://10.0.0.1/"}]}]}',
    '{"input":[{"type":"input_file","file_url":"http://10.0.0.1/"}]}',
    '{"documents":{"content":[{"image_url":{"url":"http://10.0.0.1/"}}]}}',
    part('{"type":"input_audio","input_audio":{"data":"http://10.0.0.1/","format":"wav"}}'),
    part('{"type":"input_audio","input_audio":{"data":"\\u0068ttp://10.0.0.1/","format":"wav"}}'),
    part('{"image_url":["data:,","http://10.0.0.1/"]}'),
    part('{"type":"image_url","image_url":{"url":"DATA:,"}}'),
    '{"prompt":{"prompt_string":"a","multimodal_data":["http://10.0.0.1/"]}}',
  ])('by URL is refused: %s', (body) => {
    expect(faultsOf(body)).toEqual([': media_url'])
    expect(faultsOf(body, rulesOf(chat, { refusesMediaByUrl: false }))).toEqual([])
  })

  test.each([
    part('{"type":"text","text":"see http://example.com/a.png"}'),
    part('{"type":"input_audio","input_audio":{"data":"\\/9j\\/4AAQSkZJRg==","format":"wav"}}'),
    part('{"type":"document","source":{"type":"text","media_type":"text/plain","data":"see: http://a/"}}'),
    part('{"type":"image_url","image_url":null}'),
    part('{"type":"tool_use","input":{"image_url":"http://example.com/a.png"}}'),
    '{"messages":[{"tool_calls":[{"function":{"arguments":{"image_url":"http://example.com/"}}}]}]}',
    '{"tools":[{"function":{"parameters":{"properties":{"image_url":{"url":"http://example.com/"}}}}}]}',
    '{"metadata":{"image_url":"http://example.com/"}}',
  ])('that a model only reads of is not fetched: %s', (body) => {
    expect(faultsOf(body)).toEqual([])
  })

  test.each([
    ['{"type":"image_url","image_url":{"url":"data:abc"}}', 1, 8],
    ['{"image_url":"data:abc"},{"image_url":{"url":"data:"}}', 2, 13],
    ['{"type":"image","source":{"type":"base64","media_type":"image/png","data":"abcd"}}', 1, 4],
    ['{"type":"document","source":{"type":"text","media_type":"text/plain","data":"abcd"}}', 0, 0],
    ['{"source":{"type":"base64","type":"text","media_type":"image/png","data":"abcd"}}', 0, 0],
    ['{"type":"text","text":"data:abc"}', 0, 0],
    ['{"type":"tool_use","input":{"image_url":"data:abc"}}', 0, 0],
    ['{"images":["abc"]}', 0, 0],
  ])('in %s are %i images', (text, count, bytes) => {
    expect(read(part(text)).images).toEqual({ count, bytes })
  })

  describe('in a text, which TGI fetches,', () => {
    const tgiRules = rulesOf({ ...chat, path: '/generate', dialect: 'tgi' })

    test.each([
      '{"inputs":"what is ![](http://10.0.0.1/a.png)?"}',
      '{"inputs":"![](https://10.0.0.1/a.png)"}',
      '{"inputs":"!\\u005b](\\u0068ttp://10.0.0.1/)"}',
      '{"inputs":"\\n!![](http://10.0.0.1/)"}',
      part('{"type":"text","text":"!["},{"type":"text","text":"]("},{"type":"text","text":"http://a"}'),
      part('{"type":"image_url","image_url":{"url":"data:,)![](http://10.0.0.1/"}}'),
    ])('is refused: %s', (body) => {
      expect(faultsOf(body, tgiRules)).toEqual([': media_url'])
      expect(faultsOf(body, rulesOf(chat, { readsImagesInText: true }))).toEqual([': media_url'])
      expect(faultsOf(body)).toEqual([])
    })

    test.each([
      '{"inputs":"see [this](http://example.com/)"}',
      '{"inputs":"![a cat](http://example.com/)"}',
      '{"inputs":"![](data:image/png;base64,abc)"}',
      '{"inputs":"\\\\u0021[](http://example.com/)"}',
      '{"inputs":"![]\\n(http://example.com/)"}',
      '{"a":"](http://example.com/)","inputs":"!["}',
    ])('passes where it is no image by URL: %s', (body) => {
      expect(faultsOf(body, tgiRules)).toEqual([])
    })
  })

  test('of Ollama stand in lists', () => {
    const body = '{"images":["abc"],"messages":[{"content":"a","images":["ab","c"]}]}'
    expect(read(body, ollamaRules).images).toEqual({ count: 3, bytes: 6 })
    expect(read(body).images).toEqual({ count: 0, bytes: 0 })
  })

  test('by URL are images, too, whose text is the call\u2019s', () => {
    const open = rulesOf(chat, { refusesMediaByUrl: false })
    const body = part('{"image_url":{"url":"https://example.com/a.png"}}')
    expect(read(body, open).images).toEqual({ count: 1, bytes: 0 })
  })
})

describe('what is written', () => {
  test.each([
    ['{}', '{"model":"b","max_tokens":4096,"stream_options":{"include_usage":true}}'],
    [' { } ', ' {"model":"b","max_tokens":4096,"stream_options":{"include_usage":true} } '],
    [
      '{"model":"a","seed":9007199254740993, "x":"\\u0061"}',
      '{"max_tokens":4096,"stream_options":{"include_usage":true},"model":"b","seed":9007199254740993, "x":"\\u0061"}',
    ],
    [
      '{"model" : null,"max_tokens":null,"stream_options":null}',
      '{"model" : "b","max_tokens":4096,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"max_tokens":7,"stream_options":{"include_usage":false},"model":"a"}',
      '{"max_tokens":7,"stream_options":{"include_usage":true},"model":"b"}',
    ],
    [
      '{"max_completion_tokens":null,"stream_options":{"a":1},"model":"a"}',
      '{"max_tokens":4096,"max_completion_tokens":null,"stream_options":{"include_usage":true,"a":1},"model":"b"}',
    ],
  ])('into %s gives %s', (body, written) => {
    const changes = { model: 'b', output: 4_096, includeUsage: true }
    expect(read(body).write(changes).toString()).toBe(written)
  })

  test.each([
    ['{}', '{"options":{"num_predict":9}}'],
    ['{"options":null}', '{"options":{"num_predict":9}}'],
    ['{"options":{}}', '{"options":{"num_predict":9}}'],
    ['{"options":{"seed":1}}', '{"options":{"num_predict":9,"seed":1}}'],
    ['{"options":{"num_predict":-1}}', '{"options":{"num_predict":9}}'],
    ['{"options":{"num_predict":0}}', '{"options":{"num_predict":9}}'],
    ['{"options":{"num_predict":5}}', '{"options":{"num_predict":5}}'],
  ])('of a bound within an object into %s gives %s', (body, written) => {
    expect(read(body, ollamaRules).write({ output: 9 }).toString()).toBe(written)
  })

  test('of a bound beside one that a client has left open is the larger that is there', () => {
    const fields = ['max_completion_tokens', 'max_tokens']
    const output = { fields, writes: 'max_tokens', isOpenBelowOne: true, answers: [] }
    const route = { ...chat, output }
    const write = (body: string): string => read(body, rulesOf(route)).write({ output: 9 }).toString()
    expect(write('{"max_tokens":-1,"max_completion_tokens":50}')).toBe(
      '{"max_tokens":9,"max_completion_tokens":9}',
    )
    expect(write('{"max_tokens":5,"max_completion_tokens":0}')).toBe(
      '{"max_tokens":5,"max_completion_tokens":9}',
    )
  })

  test('nothing is the very bytes', () => {
    const body = read('{"model":"a"}')
    expect(body.write({})).toBe(body.bytes)
  })

  test('what is there already is the very bytes, in the same letters alone', () => {
    const body = read('{"model":"a","max_tokens":9,"stream_options":{"include_usage":true}}')
    expect(body.write({ model: 'a', output: 9, includeUsage: true })).toBe(body.bytes)
    expect(read('{"model":"\\u0061"}').write({ model: 'a' }).toString()).toBe('{"model":"a"}')
  })
})

describe('a large body', () => {
  /** Steps in which it is read. */
  function stepsOf(text: string): number {
    const steps = readCallInSteps(Buffer.from(text), rules)
    let count = 1
    while (steps.next().done !== true) count += 1
    return count
  }

  test.each([
    ['one text', `{"x":"${'x'.repeat(1_048_576)}"}`],
    ['escapes', `{"x":"${'\\u0041'.repeat(174_763)}"}`],
    ['one name', `{"${'x'.repeat(1_048_576)}":1}`],
    ['spaces', `{${' '.repeat(1_048_576)}}`],
    ['brackets', `{"x":[${'[],'.repeat(349_525)}1]}`],
  ])('of %s is read a piece at a time', (_, text) => {
    expect(stepsOf(text)).toBeGreaterThanOrEqual(8)
  })

  test('with a name as often as it holds it has one fault of it', () => {
    expect(faultsOf(`{${'"stream":true,'.repeat(50_000)}"x":1}`)).toEqual(['stream: ambiguous'])
    expect(faultsOf(`{${'"Stream":1,'.repeat(50_000)}"x":1}`)).toEqual(['stream: ambiguous'])
  })
})
