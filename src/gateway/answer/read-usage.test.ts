import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AnswerForm } from '../presets/preset.ts'
import { pickMembers } from './json-bytes.ts'
import { readContent } from './read-content.ts'
import { readUsage } from './read-usage.ts'

const used = { prompt: 9, completion: 4 }
const chat = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }
const message = { input_tokens: 9, output_tokens: 4 }

describe('what a whole answer says that it used', () => {
  it.each<{ what: string; form: AnswerForm; body: unknown; said: unknown }>([
    { what: 'a chat', form: 'openai', body: { choices: [{}], usage: chat }, said: used },
    {
      what: 'a chat with details',
      form: 'openai',
      body: {
        usage: {
          ...chat,
          prompt_tokens_details: { cached_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 3 },
        },
      },
      said: { ...used, cached: 0, reasoning: 3 },
    },
    {
      what: 'embeddings',
      form: 'openai',
      body: { data: [{ embedding: [0.5, -1e-3] }], usage: { prompt_tokens: 9, total_tokens: 9 } },
      said: { prompt: 9, completion: 0 },
    },
    {
      what: 'a ranking that says its total alone',
      form: 'openai',
      body: { results: [], usage: { total_tokens: 9 } },
      said: { prompt: 9, completion: 0 },
    },
    {
      what: 'a response',
      form: 'responses',
      body: {
        output: [{ usage: 1 }],
        usage: {
          ...message,
          input_tokens_details: { cached_tokens: 2 },
          output_tokens_details: { reasoning_tokens: 1 },
        },
      },
      said: { ...used, cached: 2, reasoning: 1 },
    },
    { what: 'a message', form: 'anthropic', body: { type: 'message', usage: message }, said: used },
    {
      what: 'a message whose prompt was cached',
      form: 'anthropic',
      body: {
        usage: {
          input_tokens: 2,
          cache_creation_input_tokens: 3,
          cache_read_input_tokens: 4,
          output_tokens: 4,
        },
      },
      said: { ...used, cached: 4 },
    },
    { what: 'ollama', form: 'ollama', body: { done: true, prompt_eval_count: 9, eval_count: 4 }, said: used },
    {
      what: 'ollama, of a prompt it had cached',
      form: 'ollama',
      body: { done: true, eval_count: 4 },
      said: { prompt: undefined, completion: 4 },
    },
    {
      what: 'embeddings of ollama',
      form: 'ollama',
      body: { embeddings: [[0.5]], prompt_eval_count: 9 },
      said: { prompt: 9, completion: 0 },
    },
    {
      what: 'tgi',
      form: 'tgi',
      body: { generated_text: 'a', details: { input_length: 9, generated_tokens: 4, tokens: [{ id: 1 }] } },
      said: used,
    },
    { what: 'tgi without details', form: 'tgi', body: { generated_text: 'a' }, said: undefined },
    { what: 'llama.cpp', form: 'llama.cpp', body: { tokens_evaluated: 9, tokens_predicted: 4 }, said: used },
    {
      what: 'several prompts of llama.cpp',
      form: 'llama.cpp',
      body: [
        { tokens_evaluated: 4, tokens_predicted: 3 },
        { tokens_evaluated: 5, tokens_predicted: 1 },
      ],
      said: used,
    },
    { what: 'an empty list of llama.cpp', form: 'llama.cpp', body: [], said: undefined },
    {
      what: 'an explicit 0',
      form: 'openai',
      body: { usage: { prompt_tokens: 0, completion_tokens: 0 } },
      said: { prompt: 0, completion: 0 },
    },
    { what: 'no usage', form: 'openai', body: { choices: [] }, said: undefined },
    { what: 'a usage of null', form: 'openai', body: { usage: null }, said: undefined },
    { what: 'an empty usage', form: 'openai', body: { usage: {} }, said: undefined },
    { what: 'an error of ollama', form: 'ollama', body: { error: 'no such model' }, said: undefined },
    { what: 'a list', form: 'openai', body: [{ usage: chat }], said: undefined },
  ])('is read of $what', ({ form, body, said }) => {
    for (const indent of [undefined, 2])
      expect(readUsage(form, Buffer.from(JSON.stringify(body, null, indent)))).toEqual(said)
  })

  const bodies: readonly [AnswerForm, (prompt: string, completion: string) => string][] = [
    ['openai', (p, c) => `{"usage":{"prompt_tokens":${p},"completion_tokens":${c}}}`],
    ['responses', (p, c) => `{"usage":{"input_tokens":${p},"output_tokens":${c}}}`],
    ['anthropic', (p, c) => `{"usage":{"input_tokens":${p},"output_tokens":${c}}}`],
    ['ollama', (p, c) => `{"prompt_eval_count":${p},"eval_count":${c}}`],
    ['tgi', (p, c) => `{"details":{"input_length":${p},"generated_tokens":${c}}}`],
    ['llama.cpp', (p, c) => `{"tokens_evaluated":${p},"tokens_predicted":${c}}`],
  ]
  for (const [form, write] of bodies)
    it.each(['null', '-1', '1.5', '"9"', '9007199254740992', '1e400', 'true', '[9]', '{}'])(
      `is not said by a count that is %s: ${form}`,
      (value) => {
        expect(readUsage(form, Buffer.from(write(value, value)))).toBeUndefined()
        expect(readUsage(form, Buffer.from(write('9', value)))).toEqual({ prompt: 9, completion: undefined })
        expect(readUsage(form, Buffer.from(write(value, '4')))).toEqual({ prompt: undefined, completion: 4 })
      },
    )

  it('is not said by what is no JSON, or by half of it', () => {
    const whole = Buffer.from('{"a":[{"b":"}"}],"usage":{"prompt_tokens":9,"completion_tokens":4}}')
    for (let length = 0; length < whole.length; length++)
      expect(readUsage('openai', whole.subarray(0, length))).toBeUndefined()
    for (const text of ['', 'null', 'data: x', '<html>', `${whole.toString()}}`, '{"usage" {}}', '{,}'])
      expect(readUsage('openai', Buffer.from(text))).toBeUndefined()
  })

  it('is nothing that an answer says within its text', () => {
    const content = JSON.stringify({ usage: { prompt_tokens: 1, completion_tokens: 1 } })
    const body = { choices: [{ message: { content }, usage: { prompt_tokens: 1 } }], usage: chat }
    expect(readUsage('openai', Buffer.from(JSON.stringify(body)))).toEqual(used)
  })
})

describe('members of an object', () => {
  const name = fc.constantFrom('a', 'b', 'a.b', 'c"\\', 'é')
  const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.double({ noNaN: true }), fc.constant(null))
  const values = [value, fc.array(value, { maxLength: 3 }), fc.constant([{ a: { b: ']}' } }])]
  const object = fc.object({ key: name, maxDepth: 3, maxKeys: 4, values })

  it('are those that JSON.parse finds', () => {
    fc.assert(
      fc.property(object, fc.constantFrom(undefined, 1, '\t'), (written, indent) => {
        const json = JSON.stringify(written, null, indent)
        const parsed = JSON.parse(json)
        const picked = pickMembers(Buffer.from(json), ['a', 'b', 'a.a', 'b.a.b'])
        expect(picked?.['a']).toEqual(parsed.a)
        expect(picked?.['b']).toEqual(parsed.b)
        expect(picked?.['a.a']).toEqual(parsed.a?.a)
        expect(picked?.['b.a.b']).toEqual(parsed.b?.a?.b)
      }),
      { numRuns: 500 },
    )
  })

  it('count once, the last time that they are named', () => {
    expect(pickMembers(Buffer.from('{"a":1,"a":2}'), ['a'])).toEqual({ a: 2 })
  })
})

describe('the text of a whole answer', () => {
  it.each<{ form: AnswerForm; body: unknown; text: string }>([
    {
      form: 'openai',
      body: {
        choices: [
          { message: { content: 'ä"', reasoning: 'hm', reasoning_content: 'hm' } },
          { message: { reasoning: 'so' } },
        ],
      },
      text: 'ä"hmso',
    },
    { form: 'openai', body: { choices: [{ text: 'a' }, { text: 'b' }] }, text: 'ab' },
    { form: 'openai', body: { results: [{ document: { text: 'of the call' } }] }, text: '' },
    {
      form: 'responses',
      body: {
        instructions: [{ text: 'x' }],
        text: { format: {} },
        output: [{ content: [{ text: 'a' }] }, { arguments: '{}' }],
      },
      text: 'a{}',
    },
    {
      form: 'anthropic',
      body: { content: [{ text: 'a' }, { type: 'tool_use', input: { b: [1] } }] },
      text: 'a{"b":[1]}',
    },
    {
      form: 'ollama',
      body: { message: { content: 'a', tool_calls: [{ function: { arguments: { b: 1 } } }] } },
      text: 'a{"b":1}',
    },
    { form: 'tgi', body: { generated_text: 'a\n' }, text: 'a\n' },
    { form: 'llama.cpp', body: [{ content: 'a', prompt: 'x' }, { content: 'b' }], text: 'ab' },
  ])('is found in $form: $text', ({ form, body, text }) => {
    expect(readContent(form, Buffer.from(JSON.stringify(body)))).toEqual({
      contentEvents: text === '' ? 0 : 1,
      contentBytes: Buffer.byteLength(text),
    })
  })
})
