import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findForwardAuthFaults } from './find-faults.ts'
import { readForwardAuth } from './forward-auth.ts'
import { createRouteTable, isRoutePattern } from './route-table.ts'

const placesOf = (input: unknown): readonly string[] => findForwardAuthFaults(input).map(({ at }) => at)
const routesOf = (...routes: readonly string[]) => ({ r: { routes: routes.map((route) => ({ route })) } })

describe('rules of a configuration file', () => {
  test('are read as they are meant, and `default` is among them', () => {
    const limits = ['5 / Second']
    const routes = [
      { route: 'GET /health', public: true },
      { route: 'POST /chat', scope: ['a', 'b'], limits },
    ]
    expect(readForwardAuth({ models: { scope: 'predict', routes, unlisted: 'closed' } })).toEqual({
      default: { scope: ['predict'], routes: [], unlisted: 'guarded' },
      models: {
        scope: ['predict'],
        unlisted: 'closed',
        routes: [
          { method: 'GET', pattern: '/health', isPublic: true },
          { method: 'POST', pattern: '/chat', isPublic: false, scope: ['a', 'b'], limits: ['5/s'] },
        ],
      },
    })
    expect(readForwardAuth({ default: {} })).toEqual({ default: { routes: [], unlisted: 'guarded' } })
    expect(readForwardAuth({})).toEqual(readForwardAuth({ default: { scope: 'predict' } }))
  })

  test('that are wrong are told all at once, each where it is', () => {
    const faults = findForwardAuthFaults({
      Models: {},
      'a/b': 7,
      a: {
        scoop: 'x',
        scope: '',
        limits: ['5', '5/s', '9/s'],
        cost: { tokens: -1, requests: 1 },
        unlisted: 'open',
      },
      b: {
        scope: ['x', 'No'],
        limits: '5/s',
        cost: [],
        routes: [
          'GET /',
          {},
          { route: 'get /' },
          { route: 'GTE /x' },
          { route: '/x' },
          { route: 'GET  /x' },
          { route: 'GET /x', public: 'yes', scopes: [] },
          { route: 'GET /y', public: true, scope: 'a', limits: ['1/s'], cost: {} },
        ],
      },
      c: { routes: {} },
    })
    expect(faults.map(({ at }) => at)).toEqual([
      '.Models',
      '["a/b"]',
      '["a/b"]',
      ...['.a.scoop', '.a.scope', '.a.limits[0]', '.a.limits[2]'],
      ...['.a.cost.tokens', '.a.cost.requests', '.a.unlisted'],
      ...['.b.scope', '.b.limits', '.b.cost', '.b.routes[0]', '.b.routes[1].route', '.b.routes[2].route'],
      ...['.b.routes[3].route', '.b.routes[4].route', '.b.routes[5].route'],
      ...['.b.routes[6].public', '.b.routes[6].scopes', '.b.routes[7]'],
      '.c.routes',
    ])
    expect(faults.find(({ at }) => at === '.a.scoop')?.hint).toBe('did you mean scope?')
    expect(faults.find(({ at }) => at === '.b.routes[3].route')?.hint).toBe('did you mean GET?')
    for (const { expected, got } of faults) expect([expected, got]).not.toContain('')
    for (const wrong of [[], null, 'x', 7]) expect(placesOf(wrong)).toEqual([''])
  })

  test.each([
    ['GET /a', 'GET /a'],
    ['* /a/:x', '* /a/:y'],
    ['GET /a', 'GET /A'],
    ['GET /a', 'GET /a/'],
    ['GET /a/:x/', 'GET /A/:y'],
  ])('%s beside %s is a fault: some servers take them for one', (one, other) => {
    const rules = {
      r: {
        routes: [
          { route: one, public: true },
          { route: other, limits: ['1/s'] },
        ],
      },
    }
    expect(placesOf(rules)).toEqual(['.r.routes[1].route'])
  })

  test('routes that servers take for one may both be there where they demand the same', () => {
    expect(placesOf(routesOf('GET /a', 'GET /a/'))).toEqual([])
    expect(placesOf(routesOf('GET /a', 'POST /a', '* /a', 'GET /a/:x', 'GET /a/*', 'HEAD /a'))).toEqual([])
  })

  test('a cost has at most as many measures as a record', () => {
    const cost = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, 1]))
    expect(placesOf({ r: { cost: cost(16) } })).toEqual([])
    expect(placesOf({ r: { cost: cost(17) } })).toEqual(['.r.cost'])
  })

  test('a secret in the wrong place is not repeated', () => {
    const secret = `1:${'p'.repeat(43)}`
    const told = JSON.stringify(findForwardAuthFaults({ [secret]: { [secret]: secret, scope: secret } }))
    expect(told).not.toContain('ppp')
  })
})

describe('patterns', () => {
  test.each(['/', '/a', '/a/', '/a/:b', '/a/:b/c/*', '/*', '/v1/m::generate', "/a.b_c~d!e$f&g'h+i,j=k@l-m"])(
    '%s is one',
    (pattern) => expect(isRoutePattern(pattern)).toBe(true),
  )

  test.each([
    ...['', 'a', '//', '/a//b', '/a/*/b', '/a*', '/:a-:b', '/:a.json', '/:a(\\d+)', '/:a?', '/v:a', '/a?b'],
    ...['/a#b', '/a%20b', '/a;b', '/./a', '/a/..', '/a\\b', '/é', '/:', '/a b', `/${'a'.repeat(128)}`],
    ...['/a.', '/a./b', '/a..'],
  ])('%s is a fault: no request could match it, or servers would differ about it', (pattern) =>
    expect(isRoutePattern(pattern)).toBe(false),
  )

  test('the most specific route counts, a method before `*`', () => {
    const routes = ['GET /a/b', '* /a/b', 'GET /a/:x', '* /a/*', 'HEAD /h', 'GET /h'].map((route) => {
      const [method = '', pattern = ''] = route.split(' ')
      return { method, pattern, route }
    })
    const { read, same } = createRouteTable(routes, () => false)
    expect(same).toEqual([])
    const find = (method: string, path: string) =>
      new Set(read(method, { sent: path, decoded: path }).map((route) => route?.route))
    expect(find('GET', '/a/b')).toEqual(new Set(['GET /a/b']))
    expect(find('HEAD', '/a/b')).toEqual(new Set(['GET /a/b']))
    expect(find('PUT', '/a/b')).toEqual(new Set(['* /a/b']))
    expect(find('GET', '/a/c')).toEqual(new Set(['GET /a/:x']))
    expect(find('PUT', '/a/c')).toEqual(new Set(['* /a/*']))
    expect(find('GET', `/a/${'c'.repeat(10_000)}`)).toEqual(new Set(['GET /a/:x']))
    expect(find('HEAD', '/h')).toEqual(new Set(['HEAD /h']))
    expect(find('GET', '/none')).toEqual(new Set([undefined]))
  })

  test('a rule may have thousands of routes', () => {
    const routes = Array.from({ length: 3_000 }, (_, index) => `GET /v${index}/:x`)
    expect(placesOf(routesOf(...routes))).toEqual([])
  })
})

test('any rules without a fault can be read, and the same again', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('a', 'predict', 'GET /a', '* /b/*', '5/s', 'closed'))
  const value = fc.oneof(text, fc.array(text, { maxLength: 2 }), fc.boolean(), fc.integer(), fc.object())
  const fields = ['scope', 'limits', 'cost', 'routes', 'unlisted', 'other']
  const rule = fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 4 })
  fc.assert(
    fc.property(fc.dictionary(fc.oneof(text), fc.oneof(rule, value), { maxKeys: 2 }), (input) => {
      if (findForwardAuthFaults(input).length === 0)
        expect(readForwardAuth(input)).toEqual(readForwardAuth(JSON.parse(JSON.stringify(input))))
    }),
  )
})
