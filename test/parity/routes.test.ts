import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { problemOf } from '../../src/core/problem.ts'
import { Refusal } from '../../src/core/refusal.ts'
import { modelward } from '../../src/fastify/guard.ts'
import { createApp } from '../../src/server/create-app.ts'
import { openAppParts } from '../support/app-parts.ts'
import { openTestWard, type TestWard } from '../support/open-test-ward.ts'
import { keyHeader } from './ask.ts'
import { exchange, formatRequest } from './raw-http.ts'
import { createSpyModel } from './spy-model.ts'
import { serverDefaults } from './start-server-target.ts'

let ward: TestWard
let app: FastifyInstance
beforeEach(async () => {
  ward = await openTestWard()
})
afterEach(async () => {
  await app.close()
  await ward.close()
})

interface Route {
  readonly method: string
  readonly path: string
}

/** Every route that the app answers, each method apart, from Fastify's own tree. */
function routesOf(routed: FastifyInstance): readonly Route[] {
  const names: string[] = []
  const routes: Route[] = []
  for (const line of routed.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', segment = '', methods] =
      /^((?:│ {3}| {4})*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
    names.length = indent.length / 4
    names.push(segment)
    for (const method of methods?.split(', ') ?? []) routes.push({ method, path: names.join('') })
  }
  return routes
}

async function listen(): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

describe('34 the whole route table of the server', () => {
  /**
   * All that is open to everyone. Whatever is added here is a decision, and this is where it is
   * taken.
   */
  const publicRoutes = [
    'DELETE /session',
    'GET /health',
    'GET /ready',
    'HEAD /health',
    'HEAD /ready',
    'POST /session',
  ]

  beforeEach(async () => {
    app = await createApp(await openAppParts(ward, { models: [createSpyModel().spy] }), {
      ...serverDefaults,
      logLevel: 'silent',
    })
    await app.ready()
  })

  test('every route answers 401 without a key, but for the public ones', async () => {
    const routes = routesOf(app)
    // The routes of design.md §11, so that this test sees the table and not a part of it.
    for (const known of [
      '/predict',
      '/v1/keys',
      '/v1/keys/:id',
      '/v1/owners/:owner',
      '/predict/batch',
      '/models/spy/predict',
      '/jobs',
      '/jobs/:id/events',
      '/v1/jobs/:id/retry',
      '/webhooks/secret',
      '/webhooks/deliveries/:id/retry',
      '/v1/webhooks/deliveries/:id/retry',
      '/openapi.json',
      '/docs',
    ])
      expect(routes.map(({ path }) => path)).toContain(known)
    const open: string[] = []
    for (const { method, path } of routes) {
      const url = path.replaceAll(/:\w+/g, 'x')
      const { statusCode } = await app.inject({ method: method as 'GET', url })
      if (statusCode !== 401) open.push(`${method} ${path}`)
    }
    expect(open.toSorted()).toEqual(publicRoutes)
  })

  test('no public route calls the model or tells about keys', async () => {
    const { record } = await ward.keys.create({ name: 'secret-name', owner: 'secret-owner' })
    for (const route of publicRoutes) {
      const [method, url = ''] = route.split(' ')
      const { body } = await app.inject({ method: method as 'GET', url })
      expect(body).not.toMatch(new RegExp(`secret-|${record.id}`))
    }
  })

  test('with CORS on and the docs open, nothing else opens but the docs', async () => {
    await app.close()
    app = await createApp(await openAppParts(ward, { models: [createSpyModel().spy] }), {
      ...serverDefaults,
      logLevel: 'silent',
      docs: 'open',
      corsOrigins: ['https://app.example.com'],
    })
    await app.ready()
    for (const { method, path } of routesOf(app)) {
      const isOpen = publicRoutes.includes(`${method} ${path}`) || /^\/(docs.*|openapi\.json)?$/.test(path)
      if (isOpen) continue
      const { statusCode } = await app.inject({ method: method as 'GET', url: path.replaceAll(/:\w+/g, 'x') })
      expect({ method, path, statusCode }).toEqual({ method, path, statusCode: 401 })
    }
  })
})

describe('33 and 34 an app of one’s own behind the guard', () => {
  let called: string[]
  beforeEach(() => {
    called = []
    app = fastify({ genReqId: () => randomUUID() })
    app.setErrorHandler((error, request, reply) => {
      const refusal = error instanceof Refusal ? error : new Refusal('forbidden')
      const { status, headers, body } = problemOf(refusal, request.id)
      return reply.code(status).headers(headers).send(JSON.stringify(body))
    })
  })
  const handler = async ({ url }: { readonly url: string }) => {
    called.push(url)
    return 'reached'
  }

  test('routes declared before and after the guard, in sub-apps before and after, and a catch-all: 401, and no handler runs', async () => {
    app.get('/before', handler)
    app.register(async (sub) => void sub.get('/in-sub-before', handler))
    app.register(async (sub) => void sub.get('/leaf', handler), { prefix: '/deep/er' })
    await app.register(modelward, { ward })
    app.get('/after', handler)
    app.register(async (sub) => void sub.get('/in-sub-after', handler))
    app.all('/any/*', handler)
    app.get('/public', { config: { guard: 'public' } }, handler)
    const port = await listen()
    const paths = ['/before', '/in-sub-before', '/deep/er/leaf', '/after', '/in-sub-after', '/any/static.css']
    for (const path of [...paths, '/unknown']) {
      const { status } = await exchange(port, formatRequest({ method: 'GET', path }))
      expect({ path, status }).toEqual({ path, status: 401 })
    }
    expect(called).toEqual([])
    const { text } = await ward.keys.create({ name: 'k' })
    for (const path of paths)
      expect(
        (await exchange(port, formatRequest({ method: 'GET', path, headers: [keyHeader(text)] }))).body,
      ).toBe('reached')
    expect((await exchange(port, formatRequest({ method: 'GET', path: '/public' }))).status).toBe(200)
  })

  test('a new route, nothing declared, with an admin key: refused, because the route does not demand one', async () => {
    await app.register(modelward, { ward })
    app.get('/new', handler)
    const { text } = await ward.keys.create({ name: 'ops', scopes: ['admin'] })
    const answer = await app.inject({ url: '/new', headers: { 'x-api-key': text } })
    expect(answer.json()).toMatchObject({ status: 403, code: 'scope_missing' })
    expect(called).toEqual([])
  })

  test('36 a demand used in four places, over the app, a sub-app, the route and the handler: one look-up of key and owner, one check', async () => {
    await app.register(modelward, { ward })
    let checks = 0
    const owners: string[] = []
    app.register(async (outer) => {
      outer.addHook('onRequest', async ({ caller }) => void owners.push(caller.owner))
      outer.register(async (inner) => {
        inner.addHook('preHandler', async ({ caller }) => void owners.push(caller.owner))
        const check = (): void => {
          checks += 1
        }
        const guard = { scope: ['predict', 'gold'], check }
        inner.get('/four', { config: { guard } }, async ({ caller }) => {
          owners.push(caller.owner)
          return caller.owner
        })
      })
    })
    const { text } = await ward.keys.create({ name: 'k', owner: 'acme', scopes: ['predict', 'gold'] })
    ward.calls.clear()
    const first = await app.inject({ url: '/four', headers: { 'x-api-key': text } })
    expect({ status: first.statusCode, body: first.body, checks }).toEqual({
      status: 200,
      body: 'acme',
      checks: 1,
    })
    expect(Object.fromEntries(ward.calls)).toEqual({ findKey: 1, findOwner: 1 })
    expect(owners).toEqual(['acme', 'acme', 'acme'])
    await app.inject({ url: '/four', headers: { 'x-api-key': text } })
    // The second request found the key in memory, and its owner's limits with it.
    expect(Object.fromEntries(ward.calls)).toEqual({ findKey: 1, findOwner: 1 })
    expect(checks).toBe(2)
  })
})
