import { describe, expect, test } from 'vitest'
import { presets } from '../../src/gateway/presets/presets.ts'
import { openGateway } from './open-gateway.ts'
import { everything, kinds, modelOf, openKind, start } from './open-kind.ts'
import { rawRequest } from './raw-request.ts'
import { startOllama } from './simulators/ollama.ts'

describe.each(kinds)('%s', (kind) => {
  test('every open route answers a key, and none without', async () => {
    await using opened = await openKind(kind)
    const { open } = opened.gateway.routes
    expect(open.length).toBe(presets[kind].routes.length)
    for (const { method, path, asks } of open) {
      const asked = path.replace('{id}', encodeURIComponent(modelOf[kind]))
      const body =
        method === 'POST'
          ? JSON.stringify({
              ...everything,
              ...(asks === 'its model' && { model: modelOf[kind] }),
              // There it is the id of a prompt that the upstream keeps, and closed.
              ...(path === '/v1/responses' && { prompt: null }),
            })
          : undefined
      const request = {
        method,
        path: asked,
        ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
      }
      const before = opened.forwarded()
      const keyless = await rawRequest(opened.url, request)
      expect([method, path, keyless.status], keyless.text).toEqual([method, path, 401])
      expect(opened.forwarded()).toEqual(before)
      const answer = await rawRequest(opened.url, { ...request, key: opened.key })
      expect([method, path, answer.status], answer.text).toEqual([method, path, 200])
    }
    const forwarded = open.filter(({ answeredBy }) => answeredBy === 'upstream')
    expect(opened.forwarded()).toEqual(forwarded.map(({ method, path }) => `${method} ${path}`))
  })

  test('management is 403 with a key and 401 without, whatever the method, and stays here', async () => {
    await using opened = await openKind(kind)
    for (const pattern of presets[kind].management)
      for (const path of pathsOf(pattern))
        for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'HEAD']) {
          // The server's own page.
          if (path === '/' && (method === 'GET' || method === 'HEAD')) continue
          const body = method === 'GET' || method === 'HEAD' ? {} : json({ model: modelOf[kind] })
          const keyless = await rawRequest(opened.url, { method, path, ...body })
          const answer = await rawRequest(opened.url, { method, path, ...body, key: opened.key })
          expect([method, path, keyless.status, answer.status]).toEqual([method, path, 401, 403])
          if (method !== 'HEAD') expect(codeIn(answer.text)).toBe('route_closed')
        }
    expect(opened.forwarded()).toEqual([])
  })

  test('what the operator closes is 404, and what no preset names too', async () => {
    const close = presets[kind].routes
      .filter(({ path, method }) => method === 'POST' && path.startsWith('/v1/'))
      .map(({ method, path }) => ({ method, path }))
    const simulator = await start[kind]()
    await using gateway = await openGateway({
      upstreams: [{ preset: kind, url: simulator.url, models: 'any', close, health: null }],
    })
    const key = await gateway.createKey()
    const paths = [...close.map(({ path }) => path), '/v1/strange', '/strange', '/api/strange']
    for (const path of paths) {
      const request = { method: 'POST', path, ...json({ model: modelOf[kind], ...everything }) }
      const keyless = await rawRequest(gateway.url, request)
      const answer = await rawRequest(gateway.url, { ...request, key })
      const closed = path === '/api/strange' && kind === 'llama.cpp' ? 403 : 404
      expect([path, keyless.status, answer.status]).toEqual([path, 401, closed])
    }
    expect(simulator.seen).toEqual([])
    await simulator.close()
  })
})

test('a route that the operator opens asks for its own scope, and goes on without its query', async () => {
  await using simulator = await startOllama()
  const allow = [{ method: 'GET', path: '/api/ps', scope: 'ps' } as const]
  await using gateway = await openGateway({
    upstreams: [{ preset: 'ollama', url: simulator.url, allow, health: null }],
  })
  const usual = await gateway.createKey()
  const special = await gateway.createKey({ scopes: ['ps'] })
  const path = '/api/ps?secret=1'
  expect((await rawRequest(gateway.url, { path, key: usual })).status).toBe(403)
  expect((await rawRequest(gateway.url, { path })).status).toBe(401)
  expect(simulator.seen).toEqual([])
  expect((await rawRequest(gateway.url, { path, key: special })).status).toBe(200)
  expect(simulator.seen.map((one) => one.path)).toEqual(['/api/ps'])
  const model = await rawRequest(gateway.url, { path: '/v1/models', key: special })
  expect(model.status).toBe(403)
})

test('a wrong method is 405, and Allow names the right one', async () => {
  await using opened = await openKind('ollama')
  const { url, key } = opened
  const cases = [
    ['GET', '/v1/chat/completions', 'POST'],
    ['HEAD', '/v1/chat/completions', 'POST'],
    ['PUT', '/api/chat', 'POST'],
    ['DELETE', '/v1/models', 'GET'],
    ['POST', '/v1/models/llama3.2:3b', 'GET'],
    ['HEAD', '/api/tags', 'GET'],
    ['OPTIONS', '/v1/chat/completions', 'POST'],
  ] as const
  for (const [method, path, allow] of cases) {
    const answer = await rawRequest(url, { method, path, key })
    expect([method, path, answer.status, answer.headers.allow]).toEqual([method, path, 405, allow])
    if (method !== 'HEAD') expect(codeIn(answer.text)).toBe('method_not_allowed')
    const keyless = await rawRequest(url, { method, path })
    expect([method, path, keyless.status]).toEqual([method, path, 401])
  }
  expect(opened.forwarded()).toEqual([])
})

test('another spelling of a path matches nothing', async () => {
  await using opened = await openKind('ollama')
  const spellings = [
    '/v1//chat/completions',
    '//v1/chat/completions',
    '/V1/chat/completions',
    '/v1/Chat/completions',
    '/v1/chat/completions/',
    '/v1/chat/completions;a=b',
    '/v1/chat;/completions',
    '/v1/./chat/completions',
    '/v1/x/../chat/completions',
    '/v1/%2e%2e/v1/chat/completions',
    '/v1/x/%2e%2e/chat/completions',
    '/v1%2fchat/completions',
    '/v1/chat%2Fcompletions',
    '/v1/chat%5ccompletions',
    '/v1/chat/completions%00',
    '/v1/chat/completions%20',
    '/v1/chat/completions%3Fa',
    '/v1/chat/completions%252f',
    '/api%2fchat',
    '/api%2fpull',
    '/api/%2e%2e/api/pull',
    '/api/chat/../pull',
    '/api//pull',
    '/API/pull',
    '/api/chat%',
  ]
  for (const path of spellings) {
    const request = { method: 'POST', path, ...json({ model: modelOf.ollama, ...everything }) }
    const answer = await rawRequest(opened.url, { ...request, key: opened.key })
    expect(path.endsWith('%') ? [400, 404] : [404], `${path} ${answer.text}`).toContain(answer.status)
    const keyless = await rawRequest(opened.url, request)
    expect([path, keyless.status]).toEqual([path, 401])
  }
  expect(opened.forwarded()).toEqual([])
})

test('a connection is never handed over to an upstream', async () => {
  await using opened = await openKind('ollama')
  const { url, key } = opened
  const connect = await rawRequest(url, { method: 'CONNECT', path: '127.0.0.1:1', key }).catch(
    () => undefined,
  )
  expect(connect?.status ?? 0).not.toBe(200)
  const upgrade = { connection: 'upgrade', upgrade: 'websocket' }
  for (const path of ['/v1/realtime', '/v1/chat/completions']) {
    const answer = await rawRequest(url, { path, key, headers: upgrade })
    expect([path, answer.status]).toEqual([path, path === '/v1/realtime' ? 404 : 405])
    const keyless = await rawRequest(url, { path, headers: upgrade })
    expect([path, keyless.status]).toEqual([path, 401])
  }
  expect(opened.forwarded()).toEqual([])
})

test('an offer of HTTP/2 in clear text, as clients of Java make it, is passed over', async () => {
  await using opened = await openKind('ollama')
  const { url, key } = opened
  for (const stream of [false, true]) {
    const { body, headers } = json({ model: modelOf.ollama, stream, ...everything })
    const offer = { connection: 'upgrade, http2-settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' }
    const path = '/api/chat'
    const answer = await rawRequest(url, {
      method: 'POST',
      path,
      key,
      body,
      headers: { ...headers, ...offer },
    })
    expect([answer.status, answer.text.includes('"done":true')]).toEqual([200, true])
  }
  expect(opened.records().map(({ event }) => event)).toEqual([
    'request.admitted',
    'request.started',
    'request.finished',
  ])
})

test('the query stays here, and so does a key in it', async () => {
  await using opened = await openKind('openai')
  const { url, key } = opened
  const body = json({ model: modelOf.openai, ...everything })
  const answer = await rawRequest(url, {
    method: 'POST',
    path: `/v1/chat/completions?api-version=1&key=${key}`,
    key,
    ...body,
  })
  expect(answer.status).toBe(200)
  expect(opened.forwarded()).toEqual(['POST /v1/chat/completions'])
  const keyless = await rawRequest(url, { method: 'POST', path: `/v1/chat/completions?key=${key}`, ...body })
  expect(keyless.status).toBe(401)
})

test('what the server has itself it answers itself, whatever an upstream has', async () => {
  await using opened = await openKind('vllm')
  const { url, key } = opened
  expect((await rawRequest(url, { path: '/health' })).status).toBe(200)
  const own = ['/v1/keys', '/v1/ledger', '/v1/usage', '/v1/owners', '/v1/upstreams']
  for (const path of own) {
    const answer = await rawRequest(url, { path, key })
    // In the server's own form, not in a model server's.
    expect([path, answer.status, answer.headers['content-type']]).toEqual([
      path,
      403,
      'application/problem+json',
    ])
    expect((await rawRequest(url, { path })).status).toBe(401)
  }
  expect(opened.forwarded()).toEqual([])
})

test('HEAD / asks Ollama whether it is there; GET / is the server’s own page', async () => {
  await using opened = await openKind('ollama')
  const { url, key } = opened
  expect((await rawRequest(url, { method: 'HEAD', path: '/' })).status).toBe(401)
  expect(opened.forwarded()).toEqual([])
  const head = await rawRequest(url, { method: 'HEAD', path: '/', key })
  expect([head.status, head.text]).toEqual([200, ''])
  expect(opened.forwarded()).toEqual(['HEAD /'])
  const page = await rawRequest(url, { path: '/', key })
  expect([page.status, page.headers.location]).toEqual([303, '/docs'])
  expect(opened.forwarded()).toEqual(['HEAD /'])
})

function json(value: object) {
  return { body: JSON.stringify(value), headers: { 'content-type': 'application/json' } }
}

/** A path of a pattern, and what a star stands for. */
function pathsOf(pattern: string): readonly string[] {
  if (!pattern.endsWith('*')) return [pattern]
  const start = pattern.slice(0, -1)
  return start.endsWith('/') ? [`${start}x`, `${start}x/y`] : [start, `${start}/x`]
}

/** Our word for what went wrong, whichever dialect says it. */
function codeIn(text: string): unknown {
  const { code, error_type } = JSON.parse(text) as Record<string, unknown>
  return code ?? error_type
}
