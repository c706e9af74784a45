import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../test/adapters/fake-ledger.ts'
import { constantModel, openTestApp, type TestApp, type TestAppOptions } from '../../test/support/test-app.ts'
import { Fault } from '../core/fault.ts'
import { limitHeaderNames } from '../limits/limit-headers.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

async function open(options: TestAppOptions = {}): Promise<TestApp> {
  const opened = await openTestApp(options)
  apps.push(opened)
  return opened
}

const json = { 'content-type': 'application/json' }
const asKey = (key: string) => ({ 'x-api-key': key })
const predict = (headers: Record<string, string>, payload: string, url = '/predict') =>
  ({ method: 'POST', url, headers: { ...json, ...headers }, payload }) as const
const text = '{"text":"I love this great product"}'

/** Opens the app and collects every route that is declared on it, from the first one on. */
async function openWithRoutes(): Promise<TestApp & { readonly routes: readonly RouteOptions[] }> {
  const routes: RouteOptions[] = []
  const collect = (message: unknown): void => {
    const { fastify: instance } = message as { fastify: FastifyInstance }
    instance.addHook('onRoute', (route) => void routes.push(route))
  }
  subscribe('fastify.initialization', collect)
  try {
    return { ...(await open()), routes }
  } finally {
    unsubscribe('fastify.initialization', collect)
  }
}

const openRoutes = [
  'DELETE /session',
  'GET /health',
  'GET /ready',
  'HEAD /health',
  'HEAD /ready',
  'POST /session',
]

describe('default deny', () => {
  test('every route there is, and every one added later, answers 401 without a key and 403 to a wrong one, but for these few', async () => {
    const { app, keys, routes } = await openWithRoutes()
    app.register(async (scope) => void scope.get('/added-later', async () => 'secret'))
    await app.ready()
    const urls = [
      ...new Set(routes.map(({ url }) => url.replace(':id', 'abc').replace(':file', 'swagger-ui.css'))),
    ]
    expect(urls).toEqual(expect.arrayContaining(['/predict', '/v1/keys/abc/rotate', '/docs', '/added-later']))
    const unknown = ['/none', '/%zz', '/predict/', '//predict', '/v1/keys/a/b', `/v1/keys/${'a'.repeat(300)}`]
    const answered: string[] = []
    for (const url of [...urls, ...unknown]) {
      for (const method of app.supportedMethods) {
        const without = await app.inject({ method: method as 'GET', url })
        const wrong = await app.inject({ method: method as 'GET', url, headers: asKey(keys.wrong) })
        if (without.statusCode !== 401 || wrong.statusCode !== 403) answered.push(`${method} ${url}`)
      }
    }
    expect(answered.sort()).toEqual(openRoutes)
  })

  test('OpenAPI calls exactly those public', async () => {
    const { app } = await open()
    await app.ready()
    const { paths } = app.swagger() as unknown as {
      paths: Record<string, Record<string, { security: unknown[] }>>
    }
    const published = Object.entries(paths).flatMap(([url, methods]) =>
      Object.entries(methods).flatMap(([method, { security }]) =>
        security.length === 0 ? [`${method.toUpperCase()} ${url}`] : [],
      ),
    )
    expect(published.sort()).toEqual(openRoutes.filter((route) => !route.startsWith('HEAD')))
  })
})

describe('errors', () => {
  test('a wrong method is 405 with what is allowed, an unknown path 404, a path that cannot be read 400', async () => {
    const { app, keys } = await open()
    const headers = asKey(keys.right)
    const method = await app.inject({ url: '/predict', headers })
    expect([method.statusCode, method.headers.allow]).toEqual([405, 'POST'])
    expect((await app.inject({ method: 'PUT', url: '/health', headers })).headers.allow).toBe('GET, HEAD')
    expect((await app.inject({ url: '/none', headers })).json()).toMatchObject({
      status: 404,
      code: 'not_found',
    })
    expect((await app.inject({ url: '/%zz', headers })).json()).toMatchObject({
      status: 400,
      code: 'request_malformed',
    })
    expect(
      (await app.inject({ url: `/v1/keys/${'a'.repeat(300)}`, headers: asKey(keys.admin) })).statusCode,
    ).toBe(404)
  })

  test('DELETE of a key is 405, with what is allowed and what to do instead', async () => {
    const { app, keys } = await open()
    const answer = await app.inject({
      method: 'DELETE',
      url: '/v1/keys/0123456789ab',
      headers: asKey(keys.admin),
    })
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD, PATCH'])
    expect(answer.json()).toMatchObject({
      code: 'method_not_allowed',
      detail: expect.stringContaining('POST /v1/keys/{id}/revoke'),
    })
    expect((await app.inject({ method: 'DELETE', url: '/v1/keys/0123456789ab' })).statusCode).toBe(401)
    const other = await app.inject({ method: 'DELETE', url: '/v1/keys', headers: asKey(keys.admin) })
    expect(other.json()).toMatchObject({ status: 405, detail: 'Method Not Allowed' })
  })

  test('an unknown key id is 404, and the detail says what to try', async () => {
    const { app, keys } = await open()
    const headers = asKey(keys.admin)
    for (const url of ['/v1/keys/0123456789ab', '/v1/keys/0123456789ab/limits'])
      expect((await app.inject({ url, headers })).json()).toMatchObject({
        code: 'not_found',
        detail: expect.stringContaining('list the keys'),
      })
  })

  test('the body of a request that no route answers is not read', async () => {
    const { app, keys } = await open({ bodyMax: 100 })
    const headers = { ...asKey(keys.right), 'content-type': 'application/json' }
    for (const payload of ['{"tex', 'a'.repeat(1_000)]) {
      expect((await app.inject({ method: 'POST', url: '/none', headers, payload })).statusCode).toBe(404)
      expect((await app.inject({ method: 'PUT', url: '/predict', headers, payload })).statusCode).toBe(405)
    }
  })

  test('an admin key too is told that a path is not there', async () => {
    const { app, keys } = await open()
    expect((await app.inject({ url: '/none', headers: asKey(keys.admin) })).statusCode).toBe(404)
  })

  test('what breaks inside is 500 with a fixed sentence, and its cause is in the log', async () => {
    const { app, keys, lines } = await open({ logLevel: 'info' })
    app.get('/broken', async () => {
      throw new Error('database password is hunter2')
    })
    const answer = await app.inject({ url: '/broken', headers: asKey(keys.right) })
    expect(answer.json()).toMatchObject({
      status: 500,
      code: 'internal',
      detail: 'Something went wrong on our side.',
    })
    expect(answer.body).not.toContain('hunter2')
    expect(lines.join('')).toContain('hunter2')
    expect(lines.join('')).toContain(answer.headers['x-request-id'])
  })

  test('a store that is out is 503 with Retry-After for a key that is not in memory, and the key goes on from memory for the lease', async () => {
    const { app, ward, keys } = await open()
    await app.inject(predict(asKey(keys.right), text))
    ward.outage.fault = new Fault('store_unavailable', 'disk gone')
    expect((await app.inject(predict(asKey(keys.right), text))).statusCode).toBe(200)
    const other = await app.inject({ url: '/v1/keys/self', headers: asKey(keys.admin) })
    expect(other.json()).toMatchObject({ status: 503, code: 'store_unavailable' })
    expect(other.headers['retry-after']).toBe('1')
    ward.time.monotonic += 5_001
    expect((await app.inject(predict(asKey(keys.right), text))).statusCode).toBe(503)
    expect((await app.inject(predict(asKey('nonsense'), text))).statusCode).toBe(403)
    ward.outage.fault = undefined
    expect((await app.inject(predict(asKey(keys.right), text))).statusCode).toBe(200)
  })

  test('every error is a problem with the same members and the request id of its header', async () => {
    const { app, keys } = await open()
    const key = asKey(keys.right)
    for (const request of [
      { url: '/predict' },
      { url: '/none', headers: key },
      { url: '/predict', headers: key },
      predict(key, '{}'),
      predict(asKey(keys.wrong), text),
      { url: '/%zz' },
    ]) {
      const answer = await app.inject(request)
      expect(answer.headers['content-type']).toBe('application/problem+json')
      const { errors: _errors, ...members } = answer.json()
      expect(Object.keys(members)).toEqual(['type', 'title', 'status', 'detail', 'code', 'request_id'])
      expect(members.status).toBe(answer.statusCode)
      expect(members.request_id).toBe(answer.headers['x-request-id'])
    }
  })
})

describe('every answer', () => {
  test('carries its own request id and the headers that keep it where it belongs', async () => {
    const { app, keys } = await open()
    const ids = new Set<unknown>()
    for (const request of [
      { url: '/health', headers: { 'x-request-id': 'mine' } },
      { url: '/docs', headers: asKey(keys.right) },
      { url: '/none' },
      { url: '/%zz' },
      predict(asKey(keys.right), text),
    ]) {
      const { headers } = await app.inject(request)
      ids.add(headers['x-request-id'])
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      })
      const isPage = request.url === '/docs'
      expect(headers['referrer-policy']).toBe(isPage ? 'no-referrer' : undefined)
    }
    expect(ids.size).toBe(5)
    expect(ids).not.toContain('mine')
  })
})

describe('health', () => {
  test('/ready is 503 while the store is out or the server closes; /health answers all the same', async () => {
    const closing = new AbortController()
    const { app, ward } = await open({ closing: closing.signal })
    expect((await app.inject('/ready')).json()).toEqual({ status: 'ok' })
    ward.outage.fault = new Fault('store_unavailable', 'gone')
    expect((await app.inject('/ready')).statusCode).toBe(503)
    expect((await app.inject('/health')).json()).toEqual({ status: 'ok' })
    ward.outage.fault = undefined
    closing.abort()
    expect((await app.inject('/ready')).statusCode).toBe(503)
  })
})

test('/ready names what cannot be served though all else can', async () => {
  let degraded: readonly string[] = ['jobs']
  const { app } = await open({ degraded: () => degraded })
  expect((await app.inject('/ready')).json()).toEqual({ status: 'ok', degraded: ['jobs'] })
  degraded = []
  expect((await app.inject('/ready')).json()).toEqual({ status: 'ok' })
})

test('while the disk of the ledger does not answer, /ready and every guarded request are 503 at once', async () => {
  let isStalled = true
  const ledger = { ...createFakeLedger(), isStalled: () => isStalled }
  let asked = 0
  const predict: typeof constantModel.predict = (...args) => {
    asked += 1
    return constantModel.predict(...args)
  }
  const { app, keys } = await open({
    ward: { ledger },
    model: { ...constantModel, predict },
    isStalled: () => isStalled,
  })
  const ask = async (headers: Readonly<Record<string, string>>) => {
    const { statusCode, body } = await app.inject({
      method: 'POST',
      url: '/predict',
      headers,
      payload: { text: 'a' },
    })
    return [statusCode, JSON.parse(body).code]
  }
  const key = { 'x-api-key': keys.right }
  expect((await app.inject('/ready')).json()).toMatchObject({ status: 503, code: 'ledger_unavailable' })
  expect(await ask(key)).toEqual([503, 'ledger_unavailable'])
  expect(await ask({})).toEqual([503, 'ledger_unavailable'])
  expect(asked).toBe(0)
  expect((await app.inject('/health')).statusCode).toBe(200)
  isStalled = false
  expect((await ask(key))[0]).toBe(200)
  expect((await app.inject('/ready')).statusCode).toBe(200)
})

describe('CORS', () => {
  const origin = 'https://app.example.com'
  const preflight = {
    method: 'OPTIONS',
    url: '/predict',
    headers: { origin, 'access-control-request-method': 'POST' },
  } as const

  test('is off by default: a preflight meets the guard', async () => {
    const { app } = await open()
    expect((await app.inject(preflight)).statusCode).toBe(401)
  })

  test('where it is on, preflights are open, and a page can read why it was refused', async () => {
    const { app, keys } = await open({ corsOrigins: [origin] })
    const allowed = await app.inject(preflight)
    expect(allowed.statusCode).toBe(204)
    expect(allowed.headers['access-control-allow-headers']).toContain('X-API-Key')
    const refused = await app.inject({ ...predict({ origin }, text) })
    expect([refused.statusCode, refused.headers['access-control-allow-origin']]).toEqual([401, origin])
    const exposed = String(refused.headers['access-control-expose-headers']).split(', ')
    expect(exposed).toEqual(expect.arrayContaining([...limitHeaderNames, 'retry-after', 'x-request-id']))
    const other = await app.inject(predict({ ...asKey(keys.right), origin: 'https://evil.example' }, text))
    expect(other.headers['access-control-allow-origin']).toBeUndefined()
    expect((await app.inject({ method: 'OPTIONS', url: '/predict' })).statusCode).toBe(401)
    expect(
      (await app.inject({ method: 'OPTIONS', url: '/predict', headers: asKey(keys.right) })).statusCode,
    ).toBe(405)
  })
})

test.each(['203.0.113.7, 10.0.0.5:4711', '203.0.113.7:51234, [::ffff:10.0.0.5]:4711, 10.0.0.6'])(
  'a trusted proxy of a chain is no client, with its port neither: %s',
  async (forwarded) => {
    const { app, ward } = await openTestApp({ trustProxy: ['127.0.0.0/8', '10.0.0.0/8'] })
    const { text } = await ward.keys.create({ name: 'k', addresses: ['203.0.113.7'] })
    const headers = { 'x-api-key': text, 'x-forwarded-for': forwarded }
    const answer = await app.inject({ method: 'POST', url: '/predict', headers, payload: { text: 'fine' } })
    expect(answer.statusCode).toBe(200)
    await app.close()
  },
)

test('a proxy that nothing trusts is said once, of the first request that it sent on', async () => {
  const { app, keys, lines } = await open({ logLevel: 'warn' })
  const headers = { ...asKey(keys.right), 'x-forwarded-for': '203.0.113.7' }
  const ids: unknown[] = []
  for (let times = 0; times < 3; times += 1) {
    const answer = await app.inject({ method: 'POST', url: '/predict', headers, payload: { text: 'fine' } })
    ids.push(answer.headers['x-request-id'])
  }
  const told = lines.filter((line) => line.includes('server.proxy_untrusted'))
  expect(told.map((line) => JSON.parse(line).request_id)).toEqual([ids[0]])
})
