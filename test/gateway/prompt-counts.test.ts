import { describe, expect, test } from 'vitest'
import { type OpenGateway, type OpenGatewayOptions, openGateway } from './open-gateway.ts'
import { startLlamaCpp } from './simulators/llama-cpp.ts'
import { type Simulator, startSimulator } from './simulators/simulator.ts'
import { startVllm } from './simulators/vllm.ts'

/** Five tokens, in a body whose bytes alone are beyond the limit. */
const text = 'why is the sky blue'
const messages = [{ role: 'user', content: text }]

const kinds = {
  vllm: { start: startVllm, model: 'meta-llama/Llama-3.2-3B' },
  'llama.cpp': { start: startLlamaCpp, model: 'qwen3-4b' },
} as const

interface Counting extends AsyncDisposable {
  readonly gateway: OpenGateway
  readonly simulator: Simulator
  /** What it was asked to count. */
  readonly counted: () => readonly string[]
  readonly post: (path: string, body: object) => Promise<Response>
}

async function openCounting(
  kind: keyof typeof kinds,
  limit: string,
  time?: OpenGatewayOptions['time'],
): Promise<Counting> {
  const { start, model } = kinds[kind]
  const simulator = await start()
  const gateway = await openGateway({
    upstreams: [{ preset: kind, url: simulator.url, health: null }],
    ...(time && { time }),
  })
  const key = await gateway.createKey({ limits: [limit] })
  return {
    gateway,
    simulator,
    counted: () => simulator.seen.filter(({ path }) => path === '/tokenize').map(({ body }) => body),
    post: (path, body) => gateway.post(path, { model, ...body }, { key }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('%s', (kind) => {
  test.each([
    ['/v1/chat/completions', { messages }],
    ['/v1/completions', { prompt: text }],
  ])('a text of %s whose bytes do not fit reserves its tokens exactly', async (path, body) => {
    await using opened = await openCounting(kind, '100 tokens/h')
    const answer = await opened.post(path, { ...body, max_tokens: 8, stream: true })
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('[DONE]')])
    expect(opened.counted()).toHaveLength(1)
    const [started, finished] = opened.gateway.records()
    expect(started).toMatchObject({ event: 'request.started', detail: { reserved: 5 + 8 } })
    expect(finished).toMatchObject({ detail: { usage: 'upstream' }, measures: { tokens: 5 + 5 } })
  })

  test('where the client has set no bound, its answer has what the limit leaves beside the prompt', async () => {
    await using opened = await openCounting(kind, '100 tokens/h')
    const answer = await opened.post('/v1/chat/completions', { messages, stream: true })
    await answer.text()
    expect(opened.gateway.records()[0]).toMatchObject({ detail: { reserved: 100 } })
  })

  test('calls of an owner at once are each let in by their own count', async () => {
    await using opened = await openCounting(kind, '100 tokens/h')
    const calls = Array.from({ length: 7 }, () =>
      opened.post('/v1/chat/completions', { messages, max_tokens: 8 }),
    )
    const answers = await Promise.all(calls)
    expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(200))
    expect(opened.counted()).toHaveLength(7)
  })

  test('calls at once that do not fit are counted in vain once', async () => {
    await using opened = await openCounting(kind, '20 tokens/h')
    const long = { messages: [{ role: 'user', content: `${text} `.repeat(9) }], max_tokens: 8 }
    const calls = Array.from({ length: 5 }, () => opened.post('/v1/chat/completions', long))
    const answers = await Promise.all(calls)
    // One was told that it can never pass; of the others that is not known.
    expect(answers.map(({ status }) => status).toSorted()).toEqual([422, 429, 429, 429, 429])
    expect(opened.counted()).toHaveLength(1)
  })

  test('it is not asked where the bound fits, nor where not even the answer does', async () => {
    await using fitting = await openCounting(kind, '5000 tokens/h')
    await (await fitting.post('/v1/chat/completions', { messages, max_tokens: 8 })).text()
    await using hopeless = await openCounting(kind, '100 tokens/h')
    const refused = await hopeless.post('/v1/chat/completions', { messages, max_tokens: 100 })
    expect(refused.status).toBe(422)
    expect([...fitting.counted(), ...hopeless.counted()]).toEqual([])
  })

  test('media have tokens that no text says', async () => {
    await using opened = await openCounting(kind, '100 tokens/h')
    const content = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }]
    const refused = await opened.post('/v1/chat/completions', {
      messages: [...messages, { role: 'user', content }],
      max_tokens: 8,
    })
    expect([refused.status, opened.counted()]).toEqual([422, []])
  })

  test('a count in vain is not asked for again at once: it is work that no limit has counted', async () => {
    let now = 0
    await using opened = await openCounting(kind, '20 tokens/h', { monotonic: () => now })
    const long = {
      messages: [{ role: 'user', content: text.repeat(9).replaceAll('bluewhy', 'blue why') }],
      max_tokens: 8,
    }
    expect((await opened.post('/v1/chat/completions', long)).status).toBe(422)
    for (const wait of [10, 9, 8]) {
      const answer = await opened.post('/v1/chat/completions', long)
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, `${wait}`])
      expect(await answer.json()).toMatchObject({ code: 'rate_limited' })
      now += 1_000
    }
    expect(opened.counted()).toHaveLength(1)
    now += 7_000
    await opened.post('/v1/chat/completions', long)
    expect(opened.counted()).toHaveLength(2)
  })

  test('a call that would pass, once it is counted, is not told that it never will', async () => {
    let now = 0
    await using opened = await openCounting(kind, '20 tokens/h', { monotonic: () => now })
    const long = { messages: [{ role: 'user', content: `${text} `.repeat(9) }], max_tokens: 8 }
    await opened.post('/v1/chat/completions', long)
    const short = { messages, max_tokens: 8 }
    const refused = await opened.post('/v1/chat/completions', short)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10'])
    now += 10_000
    expect((await opened.post('/v1/chat/completions', short)).status).toBe(200)
  })
})

test('vLLM counts what it would read, and nothing that a client says beside it', async () => {
  await using opened = await openCounting('vllm', '100 tokens/h')
  const answer = await opened.post('/v1/chat/completions', { messages, max_tokens: 8, temperature: 0 })
  expect(answer.status).toBe(200)
  expect(opened.counted()).toEqual([JSON.stringify({ model: kinds.vllm.model, messages })])
})

test.each([
  ['a shorter prompt beside the messages', { prompt: 'a' }],
  ['documents for the template', { documents: [{ text }] }],
  ['a name that nothing is known of', { what_comes_next: 1 }],
])('vLLM does not count a chat with %s', async (_, more) => {
  await using opened = await openCounting('vllm', '100 tokens/h')
  const refused = await opened.post('/v1/chat/completions', { messages, max_tokens: 8, ...more })
  expect([refused.status, opened.counted()]).toEqual([422, []])
})

test('a member that stands twice is not counted by either', async () => {
  await using opened = await openCounting('vllm', '100 tokens/h')
  const key = await opened.gateway.createKey({ limits: ['100 tokens/h'] })
  const body = JSON.stringify({ model: kinds.vllm.model, messages, max_tokens: 8 })
  const twice = body.replace('"messages"', '"messages":[],"messages"')
  const refused = await opened.gateway.post('/v1/chat/completions', twice, { key })
  expect([refused.status, opened.counted()]).toEqual([422, []])
})

test.each([
  ['fails in counting is unavailable to a call that needs its count', { status: 500, json: {} }, 503],
  ['is busy counting is unavailable to a call that needs its count', { status: 429, json: {} }, 503],
  ['has no such route leaves the bound as it is', { status: 404, json: { detail: 'Not Found' } }, 422],
  ['says no number leaves the bound as it is', { json: { count: '5' } }, 422],
  ['says less than nothing leaves the bound as it is', { json: { count: -1 } }, 422],
  ['answers no JSON leaves the bound as it is', { text: 'five' }, 422],
] as const)('an upstream that %s', async (_, reply, status) => {
  await using simulator = await startSimulator(
    {
      'GET /v1/models': () => ({ json: { data: [{ id: kinds.vllm.model }] } }),
      'POST /tokenize': () => reply,
    },
    () => ({ status: 404, text: '' }),
  )
  await using gateway = await openGateway({
    upstreams: [{ preset: 'vllm', url: simulator.url, health: null }],
  })
  const key = await gateway.createKey({ limits: ['100 tokens/h'] })
  const body = { model: kinds.vllm.model, messages, max_tokens: 8 }
  const statuses = [
    (await gateway.post('/v1/chat/completions', body, { key })).status,
    (await gateway.post('/v1/chat/completions', body, { key })).status,
  ]
  expect(statuses).toEqual([status, 429])
  expect(simulator.seen.filter(({ path }) => path === '/tokenize')).toHaveLength(1)
})
