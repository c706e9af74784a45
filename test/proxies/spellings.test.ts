import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readForwardAuth } from '../../src/config/forward-auth/forward-auth.ts'
import { createFakeLedger } from '../adapters/fake-ledger.ts'
import { findProgram } from '../support/services.ts'
import { openTestApp, type TestApp } from '../support/test-app.ts'
import {
  type Asked,
  type Routes,
  type RoutingServer,
  startExpress4,
  startExpress4WithFormats,
  startExpress5,
  startFastify,
  startNginx,
  unlisted,
} from './routing-servers.ts'

/** Each demands what no other does, so that a route taken for another is a hole. */
const routes: Routes = [
  { method: 'POST', pattern: '/v1/chat/completions' },
  { method: 'GET', pattern: '/v1/models' },
  { method: 'GET', pattern: '/v1/models/:name' },
  { method: 'GET', pattern: '/health' },
  { method: '*', pattern: '/files/*' },
]
const costly = 'POST /v1/chat/completions'
const open = ['GET /health']

const ledger = createFakeLedger()
const servers: RoutingServer[] = []
let opened: TestApp
let key: string

beforeAll(async () => {
  const rule = {
    scope: 'predict',
    routes: routes.map(({ method, pattern }, index) => {
      const route = `${method} ${pattern}`
      if (open.includes(route)) return { route, public: true }
      return { route, scope: route === costly ? 'costly' : 'predict', cost: { tokens: index + 1 } }
    }),
  }
  opened = await openTestApp({ ward: { ledger }, forwardAuth: readForwardAuth({ rule }) })
  key = (await opened.ward.keys.create({ name: 'cheap', scopes: ['predict'] })).text
  servers.push(await startFastify(routes), await startFastify(routes, true))
  servers.push(await startExpress5(routes), await startExpress4(routes))
  servers.push(await startExpress4WithFormats(routes))
  servers.push(await startNginx(await findProgram('nginx'), routes))
})
afterAll(async () => {
  await opened.app.close()
  for (const server of servers) await server[Symbol.asyncDispose]()
})

/** As which route forward-auth lets the request pass; undefined where it does not. */
async function admittedAs({ method, target }: Asked): Promise<string | undefined> {
  const answer = await opened.app.inject({
    url: '/v1/forward-auth/rule',
    headers: { 'x-api-key': key, 'x-forwarded-method': method, 'x-forwarded-uri': target },
  })
  if (answer.statusCode !== 200) return undefined
  if (answer.headers['x-modelward-auth'] === 'public') return open[0]
  return ledger.entries.at(-1)?.route?.replace('forward-auth rule', '').trim() || unlisted
}

const letter = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzKS')
const encode = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

/** What may be done to a path, at a place in it. */
const changes: readonly ((path: string, at: number, more: string) => string)[] = [
  (path, at) => path.slice(0, at) + (path[at] ?? '').toUpperCase() + path.slice(at + 1),
  (path) => path.toUpperCase(),
  (path, at) => path.slice(0, at) + encode(path[at] ?? '') + path.slice(at + 1),
  (path, at) => path.slice(0, at) + encode(path[at] ?? '').toUpperCase() + path.slice(at + 1),
  (path, at) => path.slice(0, at) + encode(path[at] ?? '').replaceAll('%', '%25') + path.slice(at + 1),
  (path, at) => path.slice(0, at) + encode((path[at] ?? '').toUpperCase()) + path.slice(at + 1),
  (path) => `${path}/`,
  (path) => path.replace(/\/$/, ''),
  (path) => `${path}.json`,
  (path, at, more) => `${path.slice(0, at)}${more}${path.slice(at)}`,
  (path, _at, more) => `${path}${more}`,
  (path, _at, more) => `${more}${path}`,
  (path, at, more) => path.slice(0, at) + path.slice(at).replace('/', more),
]
const pieces = [
  '/',
  '//',
  '/./',
  '/../',
  '/x/../',
  '..',
  '.',
  '%2f',
  '%2F',
  '%5c',
  '\\',
  '%2e',
  '%2ejson',
  '.a.b',
  '/%2e/',
  '/%2e%2e/',
  '/%2E./',
  ';',
  ';a=b',
  '%3b',
  '%00',
  '%09',
  '%20',
  '%0a',
  '?',
  '?x=1',
  '%3f',
  '%3Fx',
  '#',
  '#x',
  '%23',
  '%25',
  '%252f',
  '%c0%af',
  '%ef%bc%8f',
  '%e2%84%aa',
  '%c4%b1',
  '%zz',
  '%',
  '+',
  ':',
  '@',
  '~',
  'http://h',
  'HTTP://h',
  'http:',
  '*',
  '|',
  'é',
]
const start = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ method: 'POST', path: '/v1/chat/completions' }) },
  { weight: 2, arbitrary: fc.constant({ method: 'GET', path: '/v1/models' }) },
  { weight: 2, arbitrary: fc.constant({ method: 'GET', path: '/v1/models/large' }) },
  { weight: 2, arbitrary: fc.constant({ method: 'GET', path: '/health' }) },
  { weight: 2, arbitrary: fc.constant({ method: 'PUT', path: '/files/a' }) },
  { weight: 1, arbitrary: letter.map((name) => ({ method: 'GET', path: `/${name}` })) },
)
const change = fc.record({
  how: fc.integer({ min: 0, max: changes.length - 1 }),
  at: fc.nat(24),
  more: fc.constantFrom(...pieces),
})
const method = fc.option(fc.constantFrom('HEAD', 'GET', 'POST', 'OPTIONS', 'DELETE'), { freq: 8 })
const spelling = fc
  .record({ begin: start, steps: fc.array(change, { minLength: 1, maxLength: 3 }), other: method })
  .map(({ begin, steps, other }): Asked => {
    const path = steps.reduce(
      (text, { how, at, more }) => changes[how]?.(text, at % (text.length + 1), more) ?? text,
      begin.path,
    )
    return { method: other ?? begin.method, target: path === '' ? '/' : path }
  })

test('no spelling of a path passes by another route’s demand than the servers behind find for it', async () => {
  const asked = fc.sample(spelling, { numRuns: 1_600, seed: 18 })
  const spellings = new Map(asked.map((one) => [`${one.method} ${one.target}`, one]))
  expect(spellings.size).toBeGreaterThan(1_000)
  const holes: string[] = []
  const refusedOfCostly = new Set<string>()
  let passed = 0
  for (const [text, one] of spellings) {
    const route = await admittedAs(one)
    // Some dozens show that what is refused would be a hole: no need to ask about all.
    if (route === undefined && (refusedOfCostly.size >= 30 || one.target === '/v1/chat/completions')) continue
    const understood = await Promise.all(servers.map((server) => server.understand(one)))
    if (route === undefined && understood.includes(costly)) refusedOfCostly.add(text)
    if (route === undefined) continue
    passed += 1
    for (const [index, as] of understood.entries())
      if (as !== undefined && as !== route)
        holes.push(`${text}: passed as ${route}, ${servers[index]?.name}: ${as}`)
  }
  expect(holes).toEqual([])
  expect(refusedOfCostly.size).toBeGreaterThanOrEqual(30)
  expect(passed).toBeGreaterThan(100)
})

test('a request that names another method by a header passes only where both demand the same', async () => {
  const ask = (target: string, name: string, method: string) =>
    opened.app.inject({
      url: '/v1/forward-auth/rule',
      headers: {
        'x-api-key': key,
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': target,
        [name]: method,
      },
    })
  for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
    expect((await ask('/v1/chat/completions', name, 'post')).json()).toMatchObject({
      code: 'request_malformed',
    })
    for (const list of ['POST, x', 'x, POST', 'post,', 'POST, x, y', ' , POST'])
      expect([list, (await ask('/v1/chat/completions', name, list)).statusCode]).toEqual([list, 400])
    expect((await ask('/health', name, 'PUT')).statusCode).toBe(400)
    expect((await ask('/files/a', name, 'PUT')).statusCode).toBe(200)
  }
})
