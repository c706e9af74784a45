import { describe, expect, test } from 'vitest'
import { startLlamaCpp } from './llama-cpp.ts'
import { startOllama } from './ollama.ts'
import { startOpenai } from './openai.ts'
import { startTgi } from './tgi.ts'
import { startVllm } from './vllm.ts'

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', body: JSON.stringify(body) })
}

const messages = [{ role: 'user', content: 'why is the sky blue' }]

describe('Ollama', () => {
  test('streams lines unless `stream` is false, and counts in the one that is done', async () => {
    await using ollama = await startOllama()
    const answer = await post(`${ollama.url}/api/chat`, { model: 'llama3.2:3b', messages })
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await answer.text()).trimEnd().split('\n')
    expect(lines).toHaveLength(6)
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ done: true, prompt_eval_count: 5, eval_count: 5 })
    const whole = await post(`${ollama.url}/api/generate`, {
      model: 'LLAMA3.2:3B',
      prompt: 'one two',
      stream: false,
      options: { num_predict: 2 },
    })
    expect(await whole.json()).toMatchObject({
      response: 'The sky',
      done: true,
      done_reason: 'length',
      prompt_eval_count: 2,
      eval_count: 2,
    })
    expect(ollama.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /api/chat',
      'POST /api/generate',
    ])
  })

  test('says nothing of a prompt that it had in its cache, and knows a name without a tag as the latest', async () => {
    await using ollama = await startOllama({ isCached: true })
    const asked = { model: 'all-minilm', prompt: 'one two', stream: false }
    expect(await (await post(`${ollama.url}/api/generate`, asked)).json()).not.toHaveProperty(
      'prompt_eval_count',
    )
    const unknown = await post(`${ollama.url}/api/chat`, { model: 'other' })
    expect([unknown.status, await unknown.json()]).toEqual([404, { error: "model 'other' not found" }])
  })
})

describe('OpenAI', () => {
  test('says usage in a stream only where it is asked for, in an event without choices', async () => {
    await using openai = await startOpenai()
    const ask = { model: 'gpt-5-mini', messages, stream: true }
    const plain = await (await post(`${openai.url}/v1/chat/completions`, ask)).text()
    expect(plain).not.toContain('usage')
    expect(plain.endsWith('data: [DONE]\n\n')).toBe(true)
    const asked = { ...ask, stream_options: { include_usage: true } }
    const events = (await (await post(`${openai.url}/v1/chat/completions`, asked)).text()).split('\n\n')
    expect(events.at(-3)).toContain('"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":5')
    expect(events.slice(0, -3).every((one) => one.endsWith('"usage":null}'))).toBe(true)
  })

  test('a piece goes when the test says so, and a client that leaves is seen to have left', async () => {
    await using openai = await startOpenai({ isPaced: true })
    const left = new AbortController()
    const body = JSON.stringify({ model: 'gpt-5-mini', messages, stream: true })
    const answer = await fetch(`${openai.url}/v1/chat/completions`, {
      method: 'POST',
      body,
      signal: left.signal,
    })
    await openai.next(2)
    left.abort()
    await expect(answer.text()).rejects.toThrow()
    expect(await openai.seen[0]?.end).toBe('left')
  })

  test('asks for its credential', async () => {
    await using openai = await startOpenai({ key: 'sk-right' })
    expect((await fetch(`${openai.url}/v1/models`)).status).toBe(401)
    const authorization = 'Bearer sk-right'
    expect((await fetch(`${openai.url}/v1/models`, { headers: { authorization } })).status).toBe(200)
  })
})

describe('vLLM', () => {
  test('speaks the API of Anthropic: events with names, usage at the start and at the end', async () => {
    await using vllm = await startVllm({ models: ['m'] })
    const asked = { model: 'm', max_tokens: 2, system: 'be brief', messages, stream: true }
    const events = (await (await post(`${vllm.url}/v1/messages`, asked)).text()).trimEnd().split('\n\n')
    expect(events.map((one) => one.slice(7, one.indexOf('\n')))).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(events[0]).toContain('"usage":{"input_tokens":7,"output_tokens":0}')
    expect(events[5]).toContain(
      '"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":2}',
    )
  })
})

describe('TGI', () => {
  test('says how many tokens in a stream only where details are asked for, and in a whole answer by its head', async () => {
    await using tgi = await startTgi()
    const inputs = 'why is the sky blue'
    const plain = await (await post(`${tgi.url}/generate_stream`, { inputs })).text()
    expect(plain).toContain('"generated_text":"The sky is blue.","details":null')
    const asked = { inputs, parameters: { details: true, max_new_tokens: 2 } }
    const detailed = await (await post(`${tgi.url}/generate_stream`, asked)).text()
    expect(detailed).toContain(
      '"details":{"finish_reason":"length","generated_tokens":2,"seed":null,"input_length":5}',
    )
    const whole = await post(`${tgi.url}/generate`, { inputs })
    expect(whole.headers.get('x-prompt-tokens')).toBe('5')
    expect(await whole.json()).toEqual({ generated_text: 'The sky is blue.', details: null })
  })
})

describe('llama.cpp', () => {
  test('ends each answer with `"stop":true`, its tokens beside it', async () => {
    await using llama = await startLlamaCpp()
    const asked = { prompt: 'one two three', n_predict: -1, n_cmpl: 2, stream: true }
    const events = (await (await post(`${llama.url}/completion`, asked)).text()).trimEnd().split('\n\n')
    expect(events.filter((one) => one.includes('"stop":true'))).toHaveLength(2)
    expect(events.at(-1)).toContain('"tokens_predicted":5,"tokens_evaluated":3')
  })

  test('answers 503 while it loads its model', async () => {
    await using llama = await startLlamaCpp({ isLoading: true })
    expect((await fetch(`${llama.url}/health`)).status).toBe(503)
  })
})
