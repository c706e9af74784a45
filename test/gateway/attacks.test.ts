import { expect, test } from 'vitest'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../src/limits/limiter.ts'
import { openGateway } from './open-gateway.ts'
import { startHostile, whole } from './simulators/hostile.ts'
import { startOllama } from './simulators/ollama.ts'

const chat = (more: object = {}) => ({
  model: 'llama3.2:3b',
  messages: [{ role: 'user', content: 'why is the sky blue' }],
  ...more,
})

test('a limiter that is out as a client leaves ends no process, and is told', async () => {
  await using ollama = await startOllama({ isPaced: true })
  let isOut = false
  const inner = createInProcessLimiter({ clock: Date.now, monotonic: () => performance.now() })
  const limiter: Limiter = {
    ...inner,
    settle: (...all) => (isOut ? Promise.reject(new Error('the limiter is out')) : inner.settle(...all)),
  }
  await using gateway = await openGateway({
    upstreams: [{ preset: 'ollama', url: ollama.url, models: 'listed', health: null }],
    models: [{ name: 'llama3.2:3b', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits: [] }],
    ward: { limiter },
  })
  const key = await gateway.createKey({ limits: ['2 concurrent', '100000 tokens/h'] })
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  try {
    const leaving = new AbortController()
    const asking = gateway.post('/api/chat', chat(), { key, signal: leaving.signal })
    await expect.poll(() => ollama.seen.some(({ path }) => path === '/api/chat')).toBe(true)
    await ollama.next(2)
    await (await asking).body?.getReader().read()
    isOut = true
    leaving.abort()
    await expect.poll(() => gateway.records().length).toBe(2)
    await expect
      .poll(() => gateway.lines.filter((line) => line.includes('limiter_unavailable')))
      .toHaveLength(1)
    expect(unheard).toEqual([])
  } finally {
    process.off('unhandledRejection', hear)
  }
})

test('limits of a model hold however its name is written', async () => {
  await using ollama = await startOllama()
  await using gateway = await openGateway({
    upstreams: [{ preset: 'ollama', url: ollama.url }],
    models: [
      { name: 'llama3.2:3b', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits: ['1 requests/h'] },
    ],
  })
  const key = await gateway.createKey()
  const statuses: number[] = []
  for (const model of ['llama3.2:3b', 'llama3.2:3b', 'Llama3.2:3b', 'LLAMA3.2:3B'])
    statuses.push((await gateway.post('/v1/chat/completions', chat({ model }), { key })).status)
  expect(statuses).toEqual([200, 429, 429, 429])
})

test('usage of any size that an upstream says is counted at once', async () => {
  const usage = { prompt_tokens: Number.MAX_SAFE_INTEGER, completion_tokens: Number.MAX_SAFE_INTEGER }
  await using upstream = await startHostile(({ write }) =>
    write(whole(200, JSON.stringify({ choices: [], usage }), ['content-type: application/json'])),
  )
  await using gateway = await openGateway({
    upstreams: [{ preset: 'openai', url: upstream.url }],
    models: [{ name: 'llama3.2:3b', to: [{ upstream: 'openai', model: 'm' }], limits: [] }],
  })
  const key = await gateway.createKey({ limits: ['100000 tokens/h'] })
  const first = await gateway.post('/v1/chat/completions', chat(), { key })
  expect(first.status).toBe(200)
  expect(gateway.records()[0]?.measures).toMatchObject({ tokens: Number.MAX_SAFE_INTEGER })
  const next = await gateway.post('/v1/chat/completions', chat(), { key })
  expect(next.status).toBe(429)
})

test('limits of a model hold where the body names none', async () => {
  const json = ['content-type: application/json']
  await using upstream = await startHostile(({ text, write }) =>
    write(whole(200, text.startsWith('GET') ? '{"data":[{"id":"only"}]}' : '{"choices":[]}', json)),
  )
  await using gateway = await openGateway({
    upstreams: [{ preset: 'llama.cpp', url: upstream.url, health: null }],
    models: [{ name: 'only', to: [{ upstream: 'llama.cpp', model: 'only' }], limits: ['1 requests/h'] }],
  })
  const key = await gateway.createKey()
  const statuses: number[] = []
  for (const model of ['only', undefined, null])
    statuses.push((await gateway.post('/v1/chat/completions', chat({ model }), { key })).status)
  expect(statuses).toEqual([200, 429, 429])
})

test('every upstream that a call may come to is bounded by what it reads itself', async () => {
  const json = ['content-type: application/json']
  const sent: { max_tokens?: number; n_predict?: number }[] = []
  await using busy = await startHostile(({ write }) => write(whole(503, '{}', json)))
  await using second = await startHostile(({ text, write }) => {
    sent.push(JSON.parse(text.slice(text.indexOf('{'))) as object)
    return write(whole(200, '{"choices":[]}', json))
  })
  await using gateway = await openGateway({
    upstreams: [
      { preset: 'openai', url: busy.url },
      { preset: 'llama.cpp', url: second.url, models: 'listed', health: null },
      { preset: 'ollama', url: second.url, models: 'listed', health: null },
    ],
    models: ['llama.cpp', 'ollama'].map((upstream) => ({
      name: upstream,
      to: [
        { upstream: 'openai', model: 'm' },
        { upstream, model: 'm' },
      ],
      limits: [],
    })),
  })
  const key = await gateway.createKey({ limits: ['10000 tokens/h'] })
  const ask = (more: object) => gateway.post('/v1/chat/completions', chat(more), { key })
  // llama.cpp reads its own name first, which OpenAI does not read at all.
  const large = await ask({ model: 'llama.cpp', max_tokens: 5, n_predict: 50_000 })
  expect([large.status, sent]).toEqual([422, []])
  // Ollama does not read this one, and so would have no bound.
  const open = await ask({ model: 'ollama', max_completion_tokens: 5 })
  expect([open.status, sent]).toMatchObject([200, [{ max_tokens: 4_096 }]])
})
