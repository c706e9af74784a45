import { expect, test } from 'vitest'
import { openGateway } from './open-gateway.ts'
import { startOllama } from './simulators/ollama.ts'
import { startOpenai } from './simulators/openai.ts'
import { startTgi } from './simulators/tgi.ts'

const chat = (more: object = {}) => ({
  model: 'llama3.2:3b',
  messages: [{ role: 'user', content: 'why is the sky blue' }],
  ...more,
})

test('a whole answer passes as it is, behind its record, and the upstream sees no key', async () => {
  await using ollama = await startOllama()
  await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  const answer = await gateway.post('/v1/chat/completions', chat())
  expect(answer.status).toBe(200)
  const body = (await answer.json()) as { choices: unknown[]; usage: { total_tokens: number } }
  expect(body.choices).toHaveLength(1)
  const [record] = gateway.records()
  expect(record).toMatchObject({
    event: 'request.admitted',
    status: 200,
    route: '/v1/chat/completions',
    code: null,
    detail: { model: 'llama3.2:3b', upstream: 'ollama', attempts: 1, usage: 'upstream' },
    measures: { requests: 1, tokens: body.usage.total_tokens },
  })
  const { seen } = ollama
  const asked = seen.find(({ path }) => path === '/v1/chat/completions')
  expect(JSON.stringify(asked?.headers)).not.toMatch(/authorization|mw_/)
  expect(asked?.body).toBe(JSON.stringify(chat()))
})

test('a stream passes event by event between two records', async () => {
  await using openai = await startOpenai()
  await using gateway = await openGateway({
    upstreams: [{ preset: 'openai', url: openai.url, models: 'any' }],
  })
  const answer = await gateway.post('/v1/chat/completions', chat({ model: 'gpt-5-mini', stream: true }))
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toMatch(/event-stream/)
  expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
  expect(text).not.toContain('"choices":[]')
  expect(gateway.records().map(({ event }) => event)).toEqual(['request.started', 'request.finished'])
  expect(gateway.records()[1]?.detail).toMatchObject({ usage: 'upstream', attempts: 1 })
  expect(Number(gateway.records()[1]?.measures['tokens'])).toBeGreaterThan(0)
})

test('what is not open is closed, with a key and without, and the upstream sees none of it', async () => {
  await using ollama = await startOllama()
  await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  const pull = await gateway.post('/api/pull', { model: 'x' })
  expect([pull.status, await pull.json()]).toMatchObject([
    403,
    { code: 'route_closed', error: expect.any(String) },
  ])
  const strange = await gateway.post('/v1/strange', {})
  expect([strange.status, await strange.json()]).toMatchObject([
    404,
    { code: 'not_found', error: { message: expect.any(String) } },
  ])
  const keyless = await gateway.post('/api/pull', { model: 'x' }, { key: '' })
  expect(keyless.status).toBe(401)
  expect(ollama.seen.filter(({ path }) => path !== '/api/tags' && path !== '/api/version')).toEqual([])
})

test('nothing is kept at the upstream on its one credential, and nothing read', async () => {
  await using openai = await startOpenai()
  await using gateway = await openGateway({
    upstreams: [{ preset: 'openai', url: openai.url, models: 'any' }],
  })
  const model = 'gpt-5-mini'
  const answer = await gateway.post('/v1/responses', { model, input: 'why' })
  expect(answer.status).toBe(200)
  const closed = [
    { model, input: 'why', store: true },
    { model, input: [{ type: 'item_reference', id: 'msg_1' }] },
    { model, input: 'why', tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] },
  ]
  for (const body of closed) {
    const refused = await gateway.post('/v1/responses', body)
    expect([refused.status, await refused.json()]).toMatchObject([422, { code: 'input_invalid' }])
  }
  const calls = openai.seen.filter(({ path }) => path === '/v1/responses')
  expect(calls.map(({ body }) => JSON.parse(body))).toEqual([{ model, input: 'why', store: false }])
})

test('a key without the model’s scope learns no more than that there is no such model', async () => {
  await using ollama = await startOllama()
  await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  const key = await gateway.createKey({ scopes: ['predict:all-minilm'] })
  const other = await gateway.post('/api/chat', { ...chat(), stream: false }, { key })
  const none = await gateway.post('/api/chat', { ...chat({ model: 'none' }), stream: false }, { key })
  expect([other.status, none.status]).toEqual([404, 404])
  const strip = (body: unknown) => ({ ...(body as object), request_id: '' })
  expect(strip(await other.json())).toEqual(strip(await none.json()))
  const records = gateway.records()
  expect(records.map(({ code, measures }) => [code, measures])).toEqual([
    ['model_not_found', { requests: 0 }],
    ['model_not_found', { requests: 0 }],
  ])
  expect(records[0]?.detail).toMatchObject({ reason: 'scope_missing' })
  const embed = await gateway.post('/api/embed', { model: 'all-minilm', input: 'a' }, { key })
  expect(embed.status).toBe(200)
  const tags = await gateway.post('/api/tags', undefined, { key, method: 'GET' })
  expect(await tags.json()).toMatchObject({ models: [{ name: 'all-minilm:latest' }] })
})

test('a budget of tokens is taken before the call, and put right behind it', async () => {
  await using ollama = await startOllama()
  await using gateway = await openGateway({ upstreams: [{ preset: 'ollama', url: ollama.url }] })
  const key = await gateway.createKey({ limits: ['2000 tokens/h'] })
  const answer = await gateway.post('/v1/chat/completions', chat({ max_tokens: 100 }), { key })
  expect(answer.status).toBe(200)
  const { usage } = (await answer.json()) as { usage: { total_tokens: number } }
  const measures = gateway.records()[0]?.measures ?? {}
  expect(measures['tokens']).toBe(usage.total_tokens)
  const refused = await gateway.post('/v1/chat/completions', chat({ max_tokens: 1_380 }), { key })
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ error: { type: 'tokens', code: 'rate_limit_exceeded' } })
  const never = await gateway.post('/v1/chat/completions', chat({ max_tokens: 5_000 }), { key })
  expect(never.status).toBe(422)
})

test('an upstream that is not there is 503, and the call costs no token', async () => {
  await using gateway = await openGateway({
    upstreams: [{ preset: 'openai', url: 'http://127.0.0.1:9' }],
    models: [{ name: 'm', to: [{ upstream: 'openai', model: 'm' }], limits: [] }],
  })
  const answer = await gateway.post('/v1/chat/completions', chat({ model: 'm' }))
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await answer.json()).toMatchObject({ code: 'upstream_unavailable', error: { type: 'server_error' } })
  expect(gateway.records()).toMatchObject([
    { event: 'request.admitted', code: 'upstream_unavailable', measures: { requests: 1, tokens: 0 } },
  ])
})

test('a client that leaves in the middle is gone upstream, and is charged what it got', async () => {
  await using ollama = await startOllama({ isPaced: true })
  await using gateway = await openGateway({
    upstreams: [{ preset: 'ollama', url: ollama.url, models: 'listed', health: null }],
    models: [{ name: 'llama3.2:3b', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits: [] }],
  })
  const leaving = new AbortController()
  const asking = gateway.post('/api/chat', chat(), { signal: leaving.signal })
  await expect.poll(() => ollama.seen.some(({ path }) => path === '/api/chat')).toBe(true)
  await ollama.next(2)
  const answer = await asking
  const reader = answer.body?.getReader()
  await reader?.read()
  leaving.abort()
  expect(await ollama.seen.at(-1)?.end).toBe('left')
  await expect
    .poll(() => gateway.records().map(({ event }) => event))
    .toEqual(['request.started', 'request.finished'])
  expect(gateway.records()[1]).toMatchObject({
    detail: { aborted: true, end: 'client', usage: 'estimated' },
  })
  expect(gateway.gateway.callsOpen()).toBe(0)
})

test('TGI reads images out of any text, so that a text with one by URL is refused on each of its routes', async () => {
  await using tgi = await startTgi()
  await using gateway = await openGateway({ upstreams: [{ preset: 'tgi', url: tgi.url }] })
  const text = 'see ![](http://169.254.169.254/latest)'
  const refused = [
    await gateway.post('/v1/chat/completions', { messages: [{ role: 'user', content: text }] }),
    await gateway.post('/v1/completions', { prompt: text }),
    await gateway.post('/generate', { inputs: text }),
  ]
  expect(refused.map(({ status }) => status)).toEqual([422, 422, 422])
  expect((await gateway.post('/v1/completions', { prompt: 'see' })).status).toBe(200)
  expect(tgi.seen.filter(({ method }) => method === 'POST')).toHaveLength(1)
})

test('one owner cannot take every place of an upstream', async () => {
  await using ollama = await startOllama({ isPaced: true })
  await using gateway = await openGateway({
    upstreams: [{ preset: 'ollama', url: ollama.url, models: 'listed', health: null, connectionsMax: 4 }],
    models: [{ name: 'llama3.2:3b', to: [{ upstream: 'ollama', model: 'llama3.2:3b' }], limits: [] }],
  })
  const other = await gateway.createKey({ owner: 'other' })
  let leaving = new AbortController()
  const ask = (key?: string) =>
    gateway.post('/api/chat', chat(), { signal: leaving.signal, ...(key !== undefined && { key }) })
  const held = [ask(), ask()]
  await expect.poll(() => gateway.gateway.callsOpen()).toBe(2)
  const third = await ask()
  expect([third.status, await third.json()]).toMatchObject([503, { code: 'overloaded' }])
  const theirs = ask(other)
  await expect.poll(() => gateway.gateway.callsOpen()).toBe(3)
  leaving.abort()
  await Promise.allSettled([...held, theirs])
  await expect.poll(() => gateway.gateway.callsOpen()).toBe(0)
  // Each place is free again.
  leaving = new AbortController()
  const next = [ask(), ask()]
  await expect.poll(() => gateway.gateway.callsOpen()).toBe(2)
  leaving.abort()
  await Promise.allSettled(next)
})
