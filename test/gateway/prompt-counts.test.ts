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
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(422))
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
    const statuses: number[] = []
    for (let call = 0; call < 5; call += 1)
      statuses.push((await opened.post('/v1/chat/completions', long)).status)
    expect(statuses).toEqual([422, 422, 422, 422, 422])
    expect(opened.counted()).toHaveLength(1)
    now += 10_000
    await opened.post('/v1/chat/completions', long)
    expect(opened.counted()).toHaveLength(2)
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
  ['fails', { status: 500, json: {} }],
  ['has no such route', { status: 404, json: { detail: 'Not Found' } }],
  ['says no number', { json: { count: '5' } }],
  ['says less than nothing', { json: { count: -1 } }],
  ['answers no JSON', { text: 'five' }],
] as const)('an upstream that %s in counting leaves the bound as it is', async (_, reply) => {
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
  expect(statuses).toEqual([422, 422])
  expect(simulator.seen.filter(({ path }) => path === '/tokenize')).toHaveLength(1)
})
