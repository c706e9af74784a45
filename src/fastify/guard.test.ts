import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestWard, type TestWard } from '../../test/support/open-test-ward.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { apiKeyHeader, apiKeyQuery, bearer, type Scheme } from '../guard/scheme.ts'
import { findCaller, modelward } from './guard.ts'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function guarded(
  declare: (app: FastifyInstance) => void,
  schemes: readonly Scheme[] = [apiKeyHeader({ name: 'X-API-Key' })],
): Promise<{ app: FastifyInstance; ward: TestWard; key: string }> {
  const ward = await openTestWard({ schemes })
  const { text: key } = await ward.keys.create({ name: 'a', owner: 'acme' })
  const app = fastify()
  apps.push(app)
  app.get('/earlier', async () => 'earlier')
  app.register(modelward, { ward })
  declare(app)
  await app.ready()
  return { app, ward, key }
}

describe('modelward on a Fastify app', () => {
  test('guards routes declared earlier and later, in sub-apps and plugins, every method, and unknown paths', async () => {
    const { app, key } = await guarded((root) => {
      root.all('/later', async () => 'later')
      root.register(
        async (scope) => {
          scope.get('/inner', async () => 'inner')
          scope.register(async (deeper) => void deeper.get('/deeper', async () => 'deeper'))
        },
        { prefix: '/sub' },
      )
    })
    const asked = [
      ['GET', '/earlier'],
      ['HEAD', '/earlier'],
      ...app.supportedMethods.map((method) => [method, '/later']),
      ['GET', '/sub/inner'],
      ['GET', '/sub/deeper'],
      ['GET', '/sub/none'],
      ['OPTIONS', '/none'],
    ] as [string, string][]
    for (const [method, url] of asked) {
      const without = await app.inject({ method: method as 'GET', url })
      expect([method, url, without.statusCode]).toEqual([method, url, 401])
      const wrong = await app.inject({ method: method as 'GET', url, headers: { 'x-api-key': `${key}x` } })
      expect([method, url, wrong.statusCode]).toEqual([method, url, 403])
    }
    const right = await app.inject({ url: '/sub/deeper', headers: { 'x-api-key': key } })
    expect([right.statusCode, right.body]).toEqual([200, 'deeper'])
  })

  test('a route that says public is open, and its neighbours are not', async () => {
    const { app } = await guarded((root) => {
      root.get('/open', { config: { guard: 'public' } }, async () => 'open')
      root.get('/closed', async () => 'closed')
    })
    expect((await app.inject('/open')).statusCode).toBe(200)
    expect((await app.inject('/closed')).statusCode).toBe(401)
  })

  test('a route reads who is calling; where no caller was admitted, reading it throws', async () => {
    const { app, key } = await guarded((root) => {
      root.get('/who', async (request) => request.caller.owner)
      root.get('/open', { config: { guard: 'public' } }, async (request) => {
        expect(findCaller(request)).toBeUndefined()
        expect(() => request.caller).toThrow(TypeError)
        return 'thrown'
      })
    })
    expect((await app.inject({ url: '/who', headers: { 'x-api-key': key } })).body).toBe('acme')
    expect((await app.inject('/open')).body).toBe('thrown')
  })

  test('a route refines the demand, and a check of its own may refuse', async () => {
    const { app, key } = await guarded((root) => {
      root.get('/scope', { config: { guard: { scope: 'train' } } }, async () => 'in')
      const check = () => {
        throw new Refusal('forbidden', 'beta only')
      }
      root.get('/check', { config: { guard: { check } } }, async () => 'in')
    })
    const headers = { 'x-api-key': key }
    expect((await app.inject({ url: '/scope', headers })).json()).toMatchObject({
      code: 'scope_missing',
      status: 403,
    })
    expect((await app.inject({ url: '/check', headers })).json()).toMatchObject({
      code: 'forbidden',
      detail: 'beta only',
    })
  })

  test('a refusal is a problem with its challenge', async () => {
    const { app } = await guarded(() => {})
    const answer = await app.inject('/earlier')
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.headers['www-authenticate']).toBe('ApiKey realm="modelward", header="X-API-Key"')
    expect(answer.json()).toMatchObject({ status: 401, detail: 'Not authenticated', code: 'key_missing' })
  })

  test('a store that is out is a fault, never a refusal of the key', async () => {
    const { app, ward, key } = await guarded(() => {})
    ward.outage.fault = new Fault('store_unavailable', 'gone')
    expect((await app.inject({ url: '/earlier', headers: { 'x-api-key': key } })).statusCode).toBe(503)
  })

  test('the key is looked for in the query only where a scheme asks', async () => {
    const header = await guarded(() => {})
    expect((await header.app.inject(`/earlier?key=${header.key}`)).statusCode).toBe(401)
    const query = await guarded(() => {}, [apiKeyQuery({ name: 'key' })])
    expect((await query.app.inject(`/earlier?key=${query.key}`)).statusCode).toBe(200)
    expect((await query.app.inject(`/earlier?key=${query.key}&key=${query.key}`)).statusCode).toBe(400)
  })
})

/** Sends a request over a socket; `lines` may hold a header twice. */
async function send(
  app: FastifyInstance,
  headers: readonly string[],
  body?: string,
): Promise<[number, string, boolean]> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return new Promise((resolve, reject) => {
    let continued = false
    const outgoing = httpRequest({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/echo',
      headers: [...headers],
    })
    outgoing.on('continue', () => {
      continued = true
      outgoing.end(body)
    })
    outgoing.on('error', reject)
    outgoing.on('response', (answer) => {
      let text = ''
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('end', () => resolve([answer.statusCode ?? 0, text, continued]))
    })
    if (headers.includes('Expect')) outgoing.flushHeaders()
    else outgoing.end(body)
  })
}

describe('over a socket', () => {
  const echo = (app: FastifyInstance) => void app.post('/echo', async (request) => request.body)

  test('a key header sent twice is ambiguous even when both are right, and so is Authorization', async () => {
    const { app, key } = await guarded(echo, [apiKeyHeader({ name: 'X-API-Key' }), bearer()])
    const host = ['Host', 'x']
    expect((await send(app, [...host, 'X-API-Key', key, 'x-api-key', key]))[0]).toBe(400)
    const twice = ['Authorization', `Bearer ${key}`, 'Authorization', `Bearer ${key}x`]
    expect((await send(app, [...host, ...twice]))[0]).toBe(400)
    expect((await send(app, [...host, 'X-API-Key', `${key}, ${key}x`]))[0]).toBe(403)
  })

  test('100 Continue is sent to admitted clients alone', async () => {
    const { app, key } = await guarded(echo)
    const body = '{"a":1}'
    const expects = [
      'Host',
      'x',
      'Expect',
      '100-continue',
      'Content-Type',
      'application/json',
      'Content-Length',
      '7',
    ]
    expect(await send(app, [...expects, 'X-API-Key', key], body)).toEqual([200, body, true])
    const [status, , continued] = await send(app, expects, body)
    expect([status, continued]).toEqual([401, false])
  })

  test('100 Continue is not sent for a body that will be refused for its length', async () => {
    const { app, key } = await guarded(echo)
    const huge = [
      'Host',
      'x',
      'Expect',
      '100-continue',
      'Content-Type',
      'application/json',
      'Content-Length',
      '9999999',
    ]
    const [status, , continued] = await send(app, [...huge, 'X-API-Key', key])
    expect([status, continued]).toEqual([413, false])
  })

  test('an upgrade without a key is refused before it', async () => {
    const { app } = await guarded(echo)
    const upgrade = [
      'Host',
      'x',
      'Connection',
      'Upgrade',
      'Upgrade',
      'websocket',
      'Sec-WebSocket-Version',
      '13',
    ]
    expect((await send(app, upgrade))[0]).toBe(401)
  })
})
