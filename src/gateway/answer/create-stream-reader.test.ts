import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AnswerForm } from '../presets/preset.ts'
import { createStreamReader } from './create-stream-reader.ts'
import type { StreamReader, StreamReaderOptions } from './stream-reader.ts'

const usage = { prompt_tokens: 9, completion_tokens: 4 }

describe('the end of a stream', () => {
  it.each<{ form: AnswerForm; event: unknown }>([
    { form: 'openai', event: { choices: [{ delta: { content: '\n\ndata: [DONE]\n\n' } }] } },
    { form: 'openai', event: '[DONE]' },
    { form: 'responses', event: { type: 'response.output_item.done', item: { type: 'response.completed' } } },
    { form: 'responses', event: { delta: { type: 'response.failed' } } },
    { form: 'anthropic', event: { type: 'content_block_start', content_block: { type: 'message_stop' } } },
    { form: 'ollama', event: { message: { content: '{"done":true}' }, done: false } },
    { form: 'ollama', event: { message: { arguments: { done: true } }, done: false } },
    { form: 'ollama', event: { done: 'true' } },
    { form: 'tgi', event: { token: { text: 'x', generated_text: 'x' }, generated_text: null } },
    { form: 'llama.cpp', event: { content: '"stop":true', tool: { stop: true }, stop: false } },
  ])('is not what only looks like it: $form $event', ({ form, event }) => {
    const { reader, left, sent } = read({ form }, [event])
    expect(reader.terminal).toBeUndefined()
    expect(left).toBe(sent)
    expect(reader.hasFailed).toBe(false)
  })

  it.each<{ form: AnswerForm; event: unknown; hasFailed: boolean }>([
    { form: 'responses', event: { type: 'response.completed' }, hasFailed: false },
    { form: 'responses', event: { type: 'response.incomplete' }, hasFailed: false },
    { form: 'responses', event: { response: { usage: null }, type: 'response.failed' }, hasFailed: true },
    { form: 'anthropic', event: { type: 'message_stop' }, hasFailed: false },
    { form: 'ollama', event: { done: true }, hasFailed: false },
    { form: 'tgi', event: { generated_text: '' }, hasFailed: false },
    { form: 'llama.cpp', event: { stop: true }, hasFailed: false },
  ])('is held back, and nothing passes behind it: $form $event', ({ form, event, hasFailed }) => {
    const { reader, left, sent } = read({ form }, [event])
    expect(left).toBe('')
    expect(reader.terminal?.toString()).toBe(sent)
    expect(reader.hasFailed).toBe(hasFailed)
    expect(reader.push(Buffer.from(sent))).toEqual([])
    expect(reader.end()).toEqual([])
    expect(reader.terminal?.toString()).toBe(sent)
  })

  it.each(['data:[DONE]\n\n', 'event: end\ndata: [DONE]\n\n', '\uFEFFdata: [DONE]\r\n\r\n'])(
    'is [DONE], however its event is written: %j',
    (text) => expect(readText({ form: 'openai' }, text).reader.terminal?.toString()).toBe(text),
  )

  it('is found in a last line that has no end', () => {
    const last = '{"done":true,"eval_count":4}'
    const { reader, left } = readText({ form: 'ollama', framing: 'ndjson' }, `{"done":false}\n${last}`)
    expect(left).toBe('{"done":false}\n')
    expect(reader.terminal?.toString()).toBe(last)
    expect(reader.usage?.completion).toBe(4)
  })

  it('leaves what is incomplete as it was', () => {
    for (const text of ['data: {"choices":[', 'data: [DON', 'data: {"choices":[]}\n\nda'])
      expect(readText({ form: 'openai' }, text)).toMatchObject({
        left: text,
        reader: { terminal: undefined },
      })
  })

  it('is the last of as many answers as a call of llama.cpp has', () => {
    const one = { stop: true, tokens_evaluated: 4, tokens_predicted: 2 }
    const { reader, left } = read({ form: 'llama.cpp', answers: 2 }, [
      one,
      { content: 'a', stop: false },
      one,
    ])
    expect(left).toBe(sse([one, { content: 'a', stop: false }]))
    expect(reader.usage).toEqual({ prompt: 8, completion: 4 })
  })
})

describe('what a stream says that it used', () => {
  it('is what it says last: an event may say null, or nothing', () => {
    const { reader, left, sent } = read({ form: 'openai' }, [
      { choices: [{}], usage: null },
      { choices: [{}], usage: { prompt_tokens: 9, completion_tokens: 1 } },
      { choices: [{}], usage },
      { choices: [{}], usage: null },
      { choices: [{}], usage: { prompt_tokens: -1, completion_tokens: '4' } },
    ])
    expect(reader.usage).toEqual({ prompt: 9, completion: 4 })
    expect(left).toBe(sent)
  })

  it.each([
    { what: 'the client asked', event: { choices: [], usage }, takesUsageOut: false },
    { what: 'it has choices', event: { choices: [{}], usage }, takesUsageOut: true },
    { what: 'it has no usage', event: { choices: [], prompt_filter_results: [] }, takesUsageOut: true },
    { what: 'its usage is null', event: { choices: [], usage: null }, takesUsageOut: true },
    { what: 'it tells of an error', event: { choices: [], usage, error: { code: 1 } }, takesUsageOut: true },
  ])('stays in the stream where $what', ({ event, takesUsageOut }) => {
    const { left, sent } = read({ form: 'openai', takesUsageOut }, [event])
    expect(left).toBe(sent)
  })

  it('begins with a message and is replaced by what its end names again: anthropic', () => {
    const start = {
      input_tokens: 2,
      cache_creation_input_tokens: 3,
      cache_read_input_tokens: 4,
      output_tokens: 1,
    }
    const begun = { type: 'message_start', message: { usage: start } }
    const delta = {
      type: 'message_delta',
      usage: { input_tokens: 5, cache_read_input_tokens: null, output_tokens: 7 },
    }
    expect(read({ form: 'anthropic' }, [begun]).reader.usage).toEqual({
      prompt: 9,
      completion: undefined,
      cached: 4,
    })
    const { reader } = read({ form: 'anthropic' }, [
      begun,
      delta,
      { type: 'message_delta', usage: { output_tokens: 8 } },
    ])
    expect(reader.usage).toEqual({ prompt: 12, completion: 8, cached: 4 })
  })

  it.each<{ form: AnswerForm; event: unknown }>([
    {
      form: 'responses',
      event: { type: 'response.incomplete', response: { usage: { input_tokens: 9, output_tokens: 4 } } },
    },
    { form: 'ollama', event: { done: true, prompt_eval_count: 9, eval_count: 4 } },
    { form: 'tgi', event: { generated_text: 'a', details: { input_length: 9, generated_tokens: 4 } } },
    { form: 'llama.cpp', event: { stop: true, tokens_evaluated: 9, tokens_predicted: 4 } },
  ])('is said by the event that ends it: $form', ({ form, event }) => {
    expect(read({ form }, [event]).reader.usage).toEqual({ prompt: 9, completion: 4 })
    expect(readText({ form, framing: 'ndjson' }, `${JSON.stringify(event)}\n`).reader.usage?.prompt).toBe(9)
  })
})

it.each<{ form: AnswerForm; text: string }>([
  { form: 'openai', text: 'data: {"error":{"message":"out of memory"}}\n\n' },
  { form: 'responses', text: 'event: error\ndata: {"type":"error","code":"x"}\n\n' },
  { form: 'responses', text: 'data: {"type":"error","code":"x"}\n\n' },
  { form: 'anthropic', text: 'event: error\ndata: {"type":"error","error":{}}\n\n' },
  { form: 'anthropic', text: 'event:error\r\ndata: {}\r\n\r\n' },
  { form: 'ollama', text: '{"error":"out of memory"}\n' },
  { form: 'tgi', text: 'data:{"error":"x","error_type":"generation"}\n\n' },
  { form: 'llama.cpp', text: 'data: {"error":{"code":500}}\n\n' },
])('an upstream says in its stream that it failed: $form $text', ({ form, text }) => {
  const framing = form === 'ollama' ? 'ndjson' : 'sse'
  const { reader, left } = readText({ form, framing }, text)
  expect(reader.hasFailed).toBe(true)
  expect(reader.terminal).toBeUndefined()
  expect(left).toBe(text)
})

it.each<{ form: AnswerForm; text: string }>([
  { form: 'openai', text: 'data: {"choices":[{"error":{}}],"error":null}\n\n' },
  { form: 'openai', text: 'data: {"choices":[{"delta":{"content":"{\\"error\\":\\"x\\"}"}}]}\n\n' },
  { form: 'responses', text: 'data: {"type":"response.created","response":{"error":{}}}\n\n' },
  { form: 'anthropic', text: ': event: error\nevent: errors\ndata: {"type":"ping"}\n\n' },
  { form: 'anthropic', text: 'event: error\n\n' },
  { form: 'tgi', text: 'data:{"token":{"text":"x","error":"x"},"generated_text":null}\n\n' },
  { form: 'llama.cpp', text: 'data: not JSON, "error": {"\n\n' },
])('an upstream has not failed that only names an error: $form $text', ({ form, text }) => {
  const { reader, left } = readText({ form }, text)
  expect(reader.hasFailed).toBe(false)
  expect(left).toBe(text)
})

it('sound is counted by how long it is: four bytes of text are 50 ms', () => {
  const heard = (ms: number) => ({
    choices: [{ delta: { audio: { data: Buffer.alloc(ms * 48).toString('base64'), expires_at: 1 } } }],
  })
  const { reader } = read({ form: 'openai' }, [heard(1_000), heard(250)])
  expect(reader.contentEvents).toBe(2)
  expect(reader.contentBytes).toBe(100)
})

describe('usages of answers that each say their own', () => {
  const says = (index: number, usage: unknown) => ({ choices: [{ index, text: '' }], usage })
  const adds = (events: readonly unknown[]) =>
    read({ form: 'openai', answers: 2, addsUsages: true }, events).reader.usage

  it('are added up once all have said it, in whatever order', () => {
    expect(adds([says(1, usage), says(0, { prompt_tokens: 2, completion_tokens: 3 }), '[DONE]'])).toEqual({
      prompt: 11,
      completion: 7,
    })
  })

  it('are not known before, so that what is missing is not free', () => {
    expect(adds([says(0, usage), '[DONE]'])).toBeUndefined()
    expect(adds([says(0, usage), says(0, usage)])).toBeUndefined()
    expect(adds([says(0, usage), says(1, { prompt_tokens: -1 })])).toBeUndefined()
  })

  it('take no more memory than there are answers', () => {
    expect(adds([says(0, usage), says(1, usage), says(2, usage)])).toEqual({ prompt: 18, completion: 8 })
  })
})

describe('the text that has come', () => {
  const writers: readonly [AnswerForm, (text: string) => unknown][] = [
    ['openai', (text) => ({ choices: [{ index: 0, delta: { content: text } }], usage: null })],
    ['openai', (text) => ({ choices: [{ text, logprobs: { content: [{ content: 'not this' }] } }] })],
    ['openai', (text) => ({ choices: [{ delta: { reasoning: text, reasoning_content: text } }] })],
    ['openai', (text) => ({ choices: [{ delta: { audio: { id: 'audio_1', transcript: text } } }] })],
    ['openai', (text) => ({ choices: [{ delta: { tool_calls: [{ function: { arguments: text } }] } }] })],
    ['responses', (text) => ({ type: 'response.output_text.delta', delta: text, obfuscation: 'aaaaaaaa' })],
    ['anthropic', (text) => ({ type: 'content_block_delta', delta: { type: 'text_delta', text } })],
    ['anthropic', (text) => ({ type: 'content_block_delta', delta: { partial_json: text } })],
    ['ollama', (text) => ({ message: { role: 'assistant', content: text }, done: false })],
    ['ollama', (text) => ({ response: text, done: false })],
    ['tgi', (text) => ({ token: { text }, top_tokens: [{ text: 'not this' }], generated_text: null })],
    [
      'llama.cpp',
      (text) => ({ content: text, stop: false, completion_probabilities: [{ content: 'not this' }] }),
    ],
  ]

  it('is counted by its bytes in UTF-8, however it is escaped', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...writers),
        fc.array(fc.string({ unit: 'grapheme', maxLength: 20 })),
        fc.boolean(),
        fc.constantFrom<'sse' | 'ndjson'>('sse', 'ndjson'),
        ([form, write], texts, isAscii, framing) => {
          const events = texts.map((text) => {
            const json = JSON.stringify(write(text))
            const escaped = isAscii ? json.replace(/[^ -~]/g, escapeUnit) : json
            return framing === 'sse' ? `data: ${escaped}\n\n` : `${escaped}\n`
          })
          const { reader } = readText({ form, framing }, events.join(''))
          expect(reader.contentEvents).toBe(texts.filter((text) => text !== '').length)
          expect(reader.contentBytes).toBe(Buffer.byteLength(texts.join('')))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is what the model writes for a tool, where its arguments are an object', () => {
    const event = { message: { tool_calls: [{ function: { name: 'f', arguments: { city: 'Köln' } } }] } }
    const { reader } = read({ form: 'ollama' }, [event])
    expect(reader).toMatchObject({ contentEvents: 1, contentBytes: Buffer.byteLength('{"city":"Köln"}') })
  })

  it('is nothing where an event only repeats it', () => {
    const { reader } = read({ form: 'responses' }, [
      { type: 'response.output_text.done', text: 'all of it' },
      { type: 'response.output_item.done', item: { content: [{ delta: 'x' }] } },
    ])
    expect(reader).toMatchObject({ contentEvents: 0, contentBytes: 0 })
  })
})

describe('an event that is too large', () => {
  const large = `data: {"choices":[{"delta":{"content":"${'x'.repeat(500)}"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n`
  const asked = sse([{ choices: [], usage }])
  const running = sse([{ choices: [{}], usage: { prompt_tokens: 9, completion_tokens: 1 } }])

  it.each([1, 7, 200, 10_000])('passes unread, in pieces of %i bytes, and its call is estimated', (size) => {
    const options = { form: 'openai', eventBytesMax: 200, takesUsageOut: true } as const
    const { reader, left } = readText(options, running + large, size)
    expect(left).toBe(running + large)
    expect(reader.isUnread).toBe(true)
    expect(reader.usage).toEqual({ prompt: 9, completion: undefined })
    expect(reader).toMatchObject({ contentEvents: 1, contentBytes: large.length })
    const then = readText(options, `${large}${asked}data: [DONE]\n\n`, size)
    expect(then.left).toBe(large)
    expect(then.reader.usage).toEqual({ prompt: 9, completion: 4 })
    expect(then.reader.terminal?.toString()).toBe('data: [DONE]\n\n')
  })

  it('is one of more than a mebibyte: no more of it is held', () => {
    const reader = createStreamReader({ form: 'openai', framing: 'sse', takesUsageOut: true })
    const piece = Buffer.alloc(64 * 1024, 'x')
    let held = 0
    for (let pushed = 0; pushed < 40; pushed++) {
      held += piece.length
      for (const left of reader.push(piece)) held -= left.length
      expect(held).toBeLessThanOrEqual(1024 * 1024)
    }
    expect(held).toBe(0)
  })
})

it('a million events pass, and all of them are counted', () => {
  const thousand = Buffer.from(sse([{ choices: [{ delta: { content: 'word' } }] }]).repeat(1000))
  const reader = createStreamReader({ form: 'openai', framing: 'sse', takesUsageOut: true })
  let left = 0
  for (let pushed = 0; pushed < 1000; pushed++)
    for (const piece of reader.push(thousand)) left += piece.length
  expect(left).toBe(thousand.length * 1000)
  expect(reader).toMatchObject({ contentEvents: 1_000_000, contentBytes: 4_000_000 })
})

function sse(events: readonly unknown[]): string {
  return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

type ReadOptions = Partial<StreamReaderOptions> & { readonly form: AnswerForm }

function read(
  options: ReadOptions,
  events: readonly unknown[],
): { reader: StreamReader; left: string; sent: string } {
  const sent = sse(events)
  return { ...readText(options, sent), sent }
}

function readText(options: ReadOptions, text: string, size = 1000): { reader: StreamReader; left: string } {
  const reader = createStreamReader({ framing: 'sse', takesUsageOut: true, ...options })
  const bytes = Buffer.from(text)
  const left: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) left.push(...reader.push(bytes.subarray(at, at + size)))
  left.push(...reader.end())
  return { reader, left: Buffer.concat(left).toString() }
}
