import { describe, expect, test } from 'vitest'
import { startOllama } from './ollama.ts'
import { startOpenai } from './openai.ts'

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
