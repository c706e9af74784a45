import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse, RouteOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { openTestApp, type TestApp } from '../../../test/support/test-app.ts'

/**
 * Who may use which route, and give or touch which scope, over the whole product. What is expected
 * stands here once more, in other words than the program's, so that neither can be wrong alone.
 */

const scopes = [
  'admin',
  'predict',
  'predict:constant',
  'keys:read',
  'keys:write',
  'keys:verify',
  'keys:self',
  'keys:owner',
  'usage:owner',
  'usage:read',
  'ledger:read',
  'metrics:read',
  'webhooks',
  'of-an-app',
] as const
type Scope = (typeof scopes)[number]

const reaching: readonly Scope[] = [
  'admin',
  'keys:read',
  'keys:write',
  'keys:verify',
  'usage:read',
  'ledger:read',
  'metrics:read',
]

const models: readonly Scope[] = ['predict', 'predict:constant']
const readers: readonly Scope[] = ['admin', 'keys:read', 'keys:write', 'keys:owner']
const changers: readonly Scope[] = ['admin', 'keys:write', 'keys:owner']

/** The scopes of which each route asks for one; `any` key will do, or `none` is asked for. */
const rows: Readonly<Record<string, readonly Scope[] | 'any' | 'none'>> = {
  'POST /predict': models,
  'POST /predict/batch': models,
  'POST /models/constant/predict': models,
  'POST /models/constant/predict/batch': models,
  'GET /models': models,
  'GET /jobs': models,
  'GET /jobs/:id': models,
  'DELETE /jobs/:id': models,
  'GET /jobs/:id/events': models,
  'GET /v1/jobs': ['admin'],
  'GET /v1/jobs/:id': ['admin'],
  'DELETE /v1/jobs/:id': ['admin'],
  'POST /v1/jobs/:id/retry': ['admin'],
  'POST /webhooks/secret': ['webhooks'],
  'GET /webhooks/deliveries': [...models, 'webhooks'],
  'POST /webhooks/deliveries/:id/retry': ['webhooks'],
  'POST /v1/webhooks/deliveries/:id/retry': ['admin', 'webhooks'],
  'GET /v1/keys/self': 'any',
  'POST /v1/keys/self/rotate': ['admin', 'keys:self', 'keys:owner'],
  'POST /v1/keys/self/revoke': ['admin', 'keys:self', 'keys:owner'],
  'GET /v1/keys/:id/limits': readers,
  'POST /v1/keys/:id/limits/reset': ['admin', 'keys:write'],
  'GET /v1/keys': readers,
  'POST /v1/keys/import': ['admin', 'keys:write'],
  'POST /v1/keys/verify': ['admin', 'keys:verify'],
  'POST /v1/keys': changers,
  'POST /v1/keys/:id/rotate': changers,
  'GET /v1/keys/:id': readers,
  'PATCH /v1/keys/:id': changers,
  'POST /v1/keys/:id/revoke': changers,
  'POST /v1/keys/:id/disable': changers,
  'POST /v1/keys/:id/enable': changers,
  'GET /v1/owners': ['admin', 'keys:read', 'keys:write'],
  'GET /v1/owners/:owner': ['admin', 'keys:read', 'keys:write'],
  'PUT /v1/owners/:owner': ['admin', 'keys:write'],
  'GET /v1/ledger': ['admin', 'ledger:read', 'usage:owner'],
  'GET /v1/usage': ['admin', 'usage:read', 'usage:owner'],
  'GET /v1/nodes': ['admin'],
  // What its rule asks for: `default` for `predict`.
  'ALL /v1/forward-auth/*': ['predict'],
  'GET /metrics': ['admin', 'metrics:read'],
  'GET /health': 'none',
  'GET /ready': 'none',
  'GET /': 'any',
  'GET /openapi.json': 'any',
  'GET /docs': 'any',
  'GET /docs/': 'any',
  'GET /docs/start.js': 'any',
  'GET /docs/:file': 'any',
  'POST /session': 'none',
  'DELETE /session': 'none',
}

let opened: TestApp
const routes: RouteOptions[] = []
/** A key for each scope, of an owner that is called as the scope. */
const askers = new Map<Scope, string>()

beforeAll(async () => {
  const collect = (message: unknown): void => {
    const { fastify: instance } = message as { fastify: FastifyInstance }
    instance.addHook('onRoute', (route) => void routes.push(route))
  }
  subscribe('fastify.initialization', collect)
  try {
    const ledger = createFakeLedger()
    opened = await openTestApp({
      ownerKeysMax: 1_000,
      page: async () => ({ contentType: 'text/plain', text: '' }),
      ward: { limitOperational: 'none', limitBadKeys: 'none', ledger },
    })
  } finally {
    unsubscribe('fastify.initialization', collect)
  }
  await opened.app.ready()
  for (const scope of scopes) askers.set(scope, await keyWith(scope))
})
afterAll(() => opened.app.close())

async function keyWith(scope: Scope): Promise<string> {
  return (await opened.ward.keys.create({ name: scope, owner: scope, scopes: [scope] })).text
}

function ask(key: string, method: string, url: string, payload?: object): Promise<LightMyRequestResponse> {
  const request = { method, url, headers: { 'x-api-key': key } } as InjectOptions
  return opened.app.inject(payload === undefined ? request : { ...request, payload })
}

const isPassed = ({ statusCode }: LightMyRequestResponse): boolean => statusCode !== 401 && statusCode !== 403

test('each route there is has a row, and no row is of none', () => {
  const declared = routes.flatMap(({ method, url }) => {
    const methods = [method].flat().filter((name) => name !== 'HEAD')
    return methods.length > 10 ? [`ALL ${url}`] : methods.map((name) => `${name} ${url}`)
  })
  expect(Object.keys(rows).sort()).toEqual([...new Set(declared)].sort())
})

describe.each(scopes)('a key with the scope %s alone', (scope) => {
  test('passes the routes that ask for it, and no other', async () => {
    const passed: string[] = []
    for (const route of Object.keys(rows)) {
      const [method = '', path = ''] = route.split(' ')
      // Its own, since it may end itself.
      const key = path.startsWith('/v1/keys/self/') ? await keyWith(scope) : String(askers.get(scope))
      const ids = path.replace(':id', 'abcdefghijkl').replace(':owner', 'none').replace(':file', 'none')
      const url = ids.replace('*', 'default')
      if (isPassed(await ask(key, method === 'ALL' ? 'GET' : method, url))) passed.push(route)
    }
    const mayPass = ([, asked]: (typeof entries)[number]): boolean =>
      typeof asked === 'string' || asked.includes(scope)
    const entries = Object.entries(rows)
    expect(passed).toEqual(entries.filter(mayPass).map(([route]) => route))
  })
})

/** What a route over keys does, to a key that has a scope or to one that is given it. */
const acts = {
  show: ['GET', '/v1/keys/ID'],
  limits: ['GET', '/v1/keys/ID/limits'],
  reset: ['POST', '/v1/keys/ID/limits/reset'],
  rename: ['PATCH', '/v1/keys/ID'],
  rotate: ['POST', '/v1/keys/ID/rotate'],
  enable: ['POST', '/v1/keys/ID/enable'],
  disable: ['POST', '/v1/keys/ID/disable'],
  revoke: ['POST', '/v1/keys/ID/revoke'],
} as const
type Act = keyof typeof acts

const isWithin = (asker: Scope, scope: Scope): boolean => scope === asker || scope === 'keys:self'

/** The status that doing this to a key with this scope is answered with. */
function statusOf(asker: Scope, act: Act, held: Scope, isOwn: boolean): number {
  const [method, path] = acts[act]
  const asked = rows[`${method} ${path.replace('ID', ':id')}`] ?? []
  if (!asked.includes(asker as never)) return 403
  if (asker === 'keys:owner' && !isOwn) return 404
  if (asker === 'admin' || act === 'show' || act === 'limits') return 200
  if (reaching.includes(held)) return 403
  const isEnd = act === 'disable' || act === 'revoke'
  return asker === 'keys:write' || isEnd || isWithin(asker, held) ? 200 : 403
}

/** Whether a key that asks may give this scope. */
function mayGive(asker: Scope, given: Scope): boolean {
  if (asker === 'admin') return true
  if (reaching.includes(given)) return false
  return asker === 'keys:write' || (asker === 'keys:owner' && isWithin(asker, given))
}

const product = scopes.flatMap((asker) => [asker, 'other'].map((owner) => ({ asker, owner })))

describe.each(product)('$asker, with keys of $owner', ({ asker, owner }) => {
  const isOwn = owner === asker
  test.each(Object.keys(acts) as Act[])('%s, whatever scope the key has', async (act) => {
    const [method, path] = acts[act]
    const body = act === 'rename' ? { name: 'renamed' } : undefined
    for (const held of scopes) {
      const { record } = await opened.ward.keys.create({ name: 'held', owner, scopes: [held] })
      if (act === 'enable') await opened.ward.keys.disable(record.id)
      const before = await opened.ward.keys.get(record.id)
      const answer = await ask(String(askers.get(asker)), method, path.replace('ID', record.id), body)
      // What the operator disabled, a key of the owner does not enable.
      const isOperators = act === 'enable' && asker === 'keys:owner' && isOwn
      const expected = isOperators ? 403 : statusOf(asker, act, held, isOwn)
      expect([held, answer.statusCode], answer.body).toEqual([held, expected])
      const after = await opened.ward.keys.get(record.id)
      const isChange = expected === 200 && !['show', 'limits', 'reset'].includes(act)
      expect(after.version - before.version).toBe(isChange ? 1 : 0)
      if (expected === 403) expect(answer.json().code).toBe('scope_missing')
      if (expected === 404) expect(answer.body).not.toContain(record.name)
    }
  })

  test('gives a key the scopes that it may, and no other', async () => {
    const key = String(askers.get(asker))
    for (const given of scopes) {
      // A key of the owner's makes keys of no other: it may not even say whose.
      const whose = asker === 'keys:owner' && isOwn ? {} : { owner }
      const fields = { name: 'given', scopes: [given], ...whose }
      const made = await ask(key, 'POST', '/v1/keys', fields)
      const isOwners = asker !== 'keys:owner' || isOwn
      const isMade = mayGive(asker, given) && isOwners
      expect([given, made.statusCode], made.body).toEqual([given, isMade ? 201 : 403])
      if (!isMade && mayGive(asker, given)) expect(made.json().detail).toContain('`owner`')

      const sha256 = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')
      const imported = await ask(key, 'POST', '/v1/keys/import', [{ ...fields, sha256 }])
      const mayImport = asker !== 'keys:owner' && mayGive(asker, given)
      expect([given, imported.statusCode], imported.body).toEqual([given, mayImport ? 201 : 403])

      const { record } = await opened.ward.keys.create({ name: 'plain', owner, scopes: ['keys:self'] })
      const changed = await ask(key, 'PATCH', `/v1/keys/${record.id}`, { scopes: [given] })
      const status = mayGive(asker, given) ? 200 : 403
      const isThere = isOwners || !changers.includes(asker)
      expect([given, changed.statusCode], changed.body).toEqual([given, isThere ? status : 404])
      const after = await opened.ward.keys.get(record.id)
      expect(after.scopes).toEqual([isThere && status === 200 ? given : 'keys:self'])
    }
  })
})
