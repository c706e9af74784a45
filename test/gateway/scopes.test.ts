import { expect, test } from 'vitest'
import { openGateway } from './open-gateway.ts'
import { hostile, startHostile } from './simulators/hostile.ts'
import { startOllama } from './simulators/ollama.ts'
import { startOpenai } from './simulators/openai.ts'
import { startVllm } from './simulators/vllm.ts'

const chatOf = (model?: string) => ({
  ...(model !== undefined && { model }),
  messages: [{ role: 'user', content: 'why is the sky blue' }],
  max_tokens: 8,
})
const chat = '/v1/chat/completions'

/** The names of models that upstreams were asked for, in order. */
function modelsAsked({ seen }: Awaited<ReturnType<typeof startOllama>>): readonly unknown[] {
  return seen.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body).model)
}

test('a scope opens its model alone, in every spelling that the model has', async () => {
  await using ollama = await startOllama({ models: ['llama3.2:3b', 'All-MiniLM:latest'] })
  await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  const key = await gateway.createKey({ scopes: ['predict:all-minilm'] })
  const statusOf = async (model: string) => (await gateway.post(chat, chatOf(model), { key })).status
  for (const model of ['All-MiniLM:latest', 'All-MiniLM', 'all-minilm', 'ALL-MINILM:LATEST'])
    expect([model, await statusOf(model)]).toEqual([model, 200])
  // Whatever was said, the upstream is asked by its own spelling.
  expect(new Set(modelsAsked(ollama))).toEqual(new Set(['All-MiniLM:latest']))
  for (const model of [
    'llama3.2:3b',
    'all-minilm:33m',
    'all-minilm ',
    ' all-minilm',
    'all-minilm:',
    ':latest',
  ])
    expect([model, await statusOf(model)]).toEqual([model, 404])
  expect(new Set(modelsAsked(ollama))).toEqual(new Set(['All-MiniLM:latest']))
  const tagged = await gateway.createKey({ scopes: ['predict:all-minilm:latest'] })
  expect((await gateway.post(chat, chatOf('all-minilm'), { key: tagged })).status).toBe(200)
})

test('a key sees the models that it may use, and no others', async () => {
  await using ollama = await startOllama()
  await using vllm = await startVllm()
  await using gateway = await openGateway({
    upstreams: [
      { preset: 'ollama', url: ollama.url },
      { preset: 'vllm', url: vllm.url },
    ],
    models: [{ name: 'fast', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits: [] }],
  })
  const namesFor = async (scopes: readonly string[]) => {
    const key = await gateway.createKey({ scopes })
    const answer = await gateway.post('/v1/models', undefined, { key, method: 'GET' })
    const { data = [] } = (await answer.json()) as { data?: { id: string }[] }
    return [answer.status, ...data.map(({ id }) => id)]
  }
  const vllmName = 'meta-llama/Llama-3.2-3B'
  expect(await namesFor(['predict'])).toEqual([200, 'all-minilm:latest', 'fast', 'llama3.2:3b', vllmName])
  expect(await namesFor(['predict:fast'])).toEqual([200, 'fast'])
  expect(await namesFor(['predict:meta-llama/llama-3.2-3b', 'predict:none'])).toEqual([200, vllmName])
  expect(await namesFor(['predict:none'])).toEqual([200])
  expect(await namesFor(['usage:owner'])).toEqual([403])
  expect(await namesFor(['admin'])).toEqual([403])
  const key = await gateway.createKey({ scopes: ['predict:fast', 'predict:all-minilm'] })
  const find = async (id: string) =>
    (await gateway.post(`/v1/models/${encodeURIComponent(id)}`, undefined, { key, method: 'GET' })).status
  expect(await Promise.all(['fast', 'all-minilm', vllmName, 'none'].map(find))).toEqual([200, 200, 404, 404])
  expect([...modelsAsked(ollama), ...modelsAsked(vllm)]).toEqual([])
})

test('no spelling of a name leads round the limits of its alias', async () => {
  await using ollama = await startOllama()
  const limits = ['1 requests/h']
  await using gateway = await openGateway({
    upstreams: [{ preset: 'ollama', url: ollama.url }],
    models: [
      { name: 'llama3.2:3b', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits },
      { name: 'all-minilm', to: [{ upstream: 'ollama', model: 'all-minilm:latest' }], limits },
    ],
  })
  for (const spellings of [
    ['llama3.2:3b', 'LLAMA3.2:3B', 'Llama3.2:3b'],
    ['all-minilm', 'all-minilm:latest', 'ALL-minilm', 'All-MiniLM:Latest'],
  ]) {
    const key = await gateway.createKey()
    const statuses = []
    for (const model of spellings) statuses.push((await gateway.post(chat, chatOf(model), { key })).status)
    expect(statuses).toEqual([200, ...spellings.slice(1).map(() => 429)])
  }
  const listed = await gateway.post('/v1/models', undefined, { method: 'GET' })
  expect(await listed.json()).toMatchObject({ data: [{ id: 'all-minilm' }, { id: 'llama3.2:3b' }] })
})

test('the only model of an upstream has the limits of its alias also where a call names none', async () => {
  await using vllm = await startVllm({ models: ['only'] })
  await using gateway = await openGateway({
    upstreams: [{ preset: 'vllm', url: vllm.url }],
    models: [{ name: 'only', to: [{ upstream: 'vllm', model: 'only' }], limits: ['1 tokens/h'] }],
  })
  const answer = await gateway.post(chat, chatOf())
  // Its bound is above what the limit could ever hold.
  expect(answer.status).toBe(422)
  expect(modelsAsked(vllm)).toEqual([])
})

test('an alias falls back in its order, each upstream by its own name, and never outside', async () => {
  await using failing = await startHostile(hostile['answers 503'])
  await using openai = await startOpenai()
  await using vllm = await startVllm({ models: ['fast', 'other'] })
  await using gateway = await openGateway({
    upstreams: [
      { preset: 'openai', name: 'first', url: failing.url, health: null },
      { preset: 'openai', name: 'second', url: openai.url },
      { preset: 'vllm', name: 'outside', url: vllm.url },
    ],
    models: [
      {
        name: 'fast',
        to: [
          { upstream: 'first', model: 'big-1' },
          { upstream: 'second', model: 'gpt-5-mini' },
        ],
        limits: [],
      },
      { name: 'broken', to: [{ upstream: 'first', model: 'big-1' }], limits: [] },
    ],
  })
  const answer = await gateway.post(chat, chatOf('fast'))
  expect(answer.status).toBe(200)
  expect(failing.requests.map(({ text }) => /"model":"([^"]+)"/.exec(text)?.[1])).toEqual(['big-1'])
  expect(modelsAsked(openai)).toEqual(['gpt-5-mini'])
  expect(gateway.records()[0]).toMatchObject({
    detail: { model: 'fast', upstream: 'second', attempts: 2 },
  })
  expect((await gateway.post(chat, chatOf('broken'))).status).toBe(503)
  // A route that none of its upstreams serves: the outside one lists the same name, and is not
  // asked.
  const messages = await gateway.post('/v1/messages', chatOf('fast'))
  expect(messages.status).toBe(404)
  expect(modelsAsked(vllm)).toEqual([])
  const key = await gateway.createKey({ scopes: ['predict:gpt-5-mini', 'predict:big-1'] })
  expect((await gateway.post(chat, chatOf('fast'), { key })).status).toBe(404)
  expect((await gateway.post(chat, chatOf('gpt-5-mini'), { key })).status).toBe(404)
})

test('a name that two upstreams list in different letters is asked where it is spelt so', async () => {
  await using first = await startVllm({ models: ['Tiny'] })
  await using second = await startVllm({ models: ['tiny'] })
  await using gateway = await openGateway({
    upstreams: [
      { preset: 'vllm', name: 'first', url: first.url },
      { preset: 'vllm', name: 'second', url: second.url },
    ],
  })
  expect((await gateway.post(chat, chatOf('tiny'))).status).toBe(200)
  expect([modelsAsked(first), modelsAsked(second)]).toEqual([[], ['tiny']])
  expect((await gateway.post(chat, chatOf('Tiny'))).status).toBe(200)
  expect((await gateway.post(chat, chatOf('TINY'))).status).toBe(200)
  expect([modelsAsked(first), modelsAsked(second)]).toEqual([['Tiny', 'Tiny'], ['tiny']])
})

test('models that cannot be known are 503, not none at all', async () => {
  await using gateway = await openGateway({
    upstreams: [{ preset: 'vllm', url: 'http://127.0.0.1:9', health: null }],
  })
  const list = await gateway.post('/v1/models', undefined, { method: 'GET' })
  const one = await gateway.post('/v1/models/x', undefined, { method: 'GET' })
  const call = await gateway.post(chat, chatOf('x'))
  expect([list.status, one.status, call.status]).toEqual([503, 503, 503])
})

test('administrators see how upstreams stand, and other keys do not', async () => {
  await using ollama = await startOllama()
  await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  const key = await gateway.createKey({ scopes: ['admin'] })
  const asked = await gateway.post('/v1/upstreams', undefined, { key, method: 'GET' })
  expect([asked.status, await asked.json()]).toMatchObject([
    200,
    { upstreams: [{ name: 'ollama', preset: 'ollama', state: 'closed', failures: 0 }] },
  ])
  expect((await gateway.post('/v1/upstreams', undefined, { method: 'GET' })).status).toBe(403)
  expect((await gateway.post('/v1/upstreams', undefined, { key: '', method: 'GET' })).status).toBe(401)
})
