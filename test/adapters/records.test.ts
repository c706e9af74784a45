import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { expectProblem, json, keyHeader, loveIt, unknownKey } from '../parity/ask.ts'
import { formatRequest, type RawAnswer, RawConnection } from '../parity/raw-http.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import { type AppRoute, appRoutes } from './app-routes.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'

const recorded: readonly AppRoute[] = [
  {
    path: '/limited',
    guard: { limits: ['1/h'], anyKey: true },
    handle: () => 'in',
  },
]

describe.each([server, ...adapters])('$name: records', (adapter) => {
  let ledger: FakeLedger
  let ward: TestWard<'right' | 'reader'>
  let target: AdapterTarget
  beforeEach(async () => {
    ledger = createFakeLedger()
    ward = await createTestWard({ ledger, keys: { right: { owner: 'acme' }, reader: { scopes: ['read'] } } })
    target = await adapter.start({ ward, routes: [...appRoutes, ...recorded] })
    ledger.entries.length = 0
  })
  afterEach(async () => {
    await target.close()
    await ward.close()
  })

  const knowsRoutes = !adapter.name.includes('web-standard')
  /** Express finds a route only after the guard of the whole app has let the request in. */
  const knowsRefusedRoutes = knowsRoutes && !adapter.name.startsWith('Express')
  const ask = (path: string, ...headers: readonly (readonly [string, string])[]): Promise<RawAnswer> =>
    target.ask({ method: 'GET', path, headers })
  const withKey = (path: string): Promise<RawAnswer> => ask(path, keyHeader(ward.testKeys.right))
  const last = (): LedgerEntry | undefined => ledger.entries.at(-1)

  test('one record a request: who, what, where, and what it was answered with', async () => {
    const answer = await withKey('/unthought')
    expect(answer.status).toBe(200)
    expect(ledger.entries).toEqual([
      {
        at: ward.clock(),
        event: 'request.admitted',
        requestId: answer.headers.get('x-request-id')?.[0],
        clientRequestId: null,
        code: null,
        keyId: ward.ids.right,
        owner: 'acme',
        method: 'GET',
        route: knowsRoutes ? '/unthought' : null,
        status: 200,
        latencyUs: 0,
        measures: { requests: 1 },
        address: '127.0.0.1',
        detail: null,
      },
    ])
    expect(last()?.requestId).toMatch(/./)
  })

  test.each([
    ['/refuses', 'request.admitted', 'not_found', 404],
    ['/fails', 'request.admitted', 'model_failed', 502],
    ['/beta', 'request.refused', 'forbidden', 403],
  ] as const)('%s: %s with its code %s', async (path, event, code, status) => {
    expect((await withKey(path)).status).toBe(status)
    const route = knowsRoutes ? path : null
    expect(ledger.entries).toMatchObject([{ event, code, status, keyId: ward.ids.right, route }])
  })

  test('a route in a sub-app has its whole pattern', async () => {
    await withKey('/sub/inner')
    expect(ledger.entries).toMatchObject([{ route: knowsRoutes ? '/sub/inner' : null, status: 200 }])
  })

  test('an unknown path has no pattern, and its text is not recorded', async () => {
    await withKey('/no/such/path')
    expect(ledger.entries).toMatchObject([{ event: 'request.admitted', status: 404, route: null }])
  })

  test('no key: refused, without a name', async () => {
    const answer = await ask('/any')
    expect(answer.status).toBe(401)
    expect(ledger.entries).toMatchObject([
      {
        event: 'request.refused',
        code: 'key_missing',
        keyId: null,
        owner: null,
        status: 401,
        route: knowsRefusedRoutes ? '/any' : null,
        measures: { requests: 0 },
        requestId: answer.headers.get('x-request-id')?.[0],
      },
    ])
  })

  test('a limit used up: refused, with the key named', async () => {
    await withKey('/limited')
    expect((await withKey('/limited')).status).toBe(429)
    expect(ledger.entries).toMatchObject([
      { event: 'request.admitted', measures: { requests: 1 } },
      { event: 'request.refused', code: 'rate_limited', keyId: ward.ids.right, measures: { requests: 0 } },
    ])
  })

  test('public routes have no record', async () => {
    await ask('/health')
    await ask('/open/refuses')
    expect(ledger.entries).toEqual([])
  })

  test('a fault of the guard: failed, with its code', async () => {
    await ward.close()
    expect((await withKey('/unthought')).status).toBe(503)
    expect(ledger.entries).toMatchObject([
      { event: 'request.failed', code: 'store_unavailable', status: 503, keyId: null },
    ])
  })

  test('wrong keys beyond the first few of a minute are counted, exactly', async () => {
    for (let asked = 0; asked < 12; asked += 1) await ask('/any', keyHeader(unknownKey(ward)))
    await ask('/any')
    expect(ledger.entries).toHaveLength(5)
    ward.advance('61s')
    await ask('/any')
    await ward.close()
    expect(ledger.entries.slice(5).filter(({ event }) => event === 'requests.summarized')).toMatchObject([
      { code: 'key_invalid', address: '127.0.0.1', measures: { refused: 7 } },
      { code: 'key_missing', address: '127.0.0.1', measures: { refused: 1 } },
    ])
    expect(ledger.entries).toHaveLength(8)
  })

  test('the ledger out: 503 for admitted and refused alike, nothing of the answer, and what was taken is given back', async () => {
    ledger.fault = new Error('disk full at /secret/place')
    for (const answer of [await withKey('/limited'), await ask('/any'), await withKey('/refuses')]) {
      expectProblem(answer, 503, 'ledger_unavailable')
      expect(answer.headers.get('retry-after')).toEqual(['1'])
      expect(answer.headers.has('x-hint')).toBe(false)
      expect(answer.headers.has('www-authenticate')).toBe(false)
      expect(answer.headers.has('ratelimit')).toBe(false)
      expect(answer.body + JSON.stringify([...answer.headers])).not.toContain('secret')
    }
    expect(target.toldFaults()).toContain('disk full')
    ledger.fault = undefined
    expect((await withKey('/limited')).status).toBe(200)
    expect(ledger.entries).toHaveLength(1)
  })

  test('a fault in the ledger’s own words is answered as ours', async () => {
    ledger.fault = new Fault('ledger_unavailable', 'the writer has ended')
    expectProblem(await withKey('/unthought'), 503, 'ledger_unavailable')
  })

  test('no key and no input is in any record, wherever the client put them', async () => {
    const key = ward.testKeys.right
    const secret = key.slice(-49)
    const places = [
      target.ask({ path: '/predict', headers: [json, keyHeader(key)], body: loveIt }),
      ask(`/${key}`, keyHeader(key)),
      ask(`/unthought?key=${key}`, keyHeader(key), ['X-Request-Id', key]),
      ask('/unthought', keyHeader(key), ['X-Request-Id', `a-${key}-b`]),
      ask('/unthought', keyHeader(key), ['X-Request-Id', key.slice(-62)]),
      // What is recorded of it ends within the key.
      ask('/unthought', keyHeader(key), ['X-Request-Id', `${'a'.repeat(90)}.${key}`]),
      ask('/unthought', keyHeader(key), ['X-Request-Id', 'I love this great product']),
      ask('/unthought', keyHeader('a-key-of-elsewhere'), ['X-Request-Id', 'a-key-of-elsewhere']),
      ask('/unthought', keyHeader(key), ['X-Request-Id', 'trace-7']),
    ]
    await Promise.all(places)
    const text = JSON.stringify(ledger.entries)
    for (const held of [key, secret, 'love this great', 'a-key-of-elsewhere'])
      expect(text).not.toContain(held)
    expect(text).toContain('trace-7')
    expect(ledger.entries).toHaveLength(places.length)
  })

  test.runIf(!/app\.request|web-standard/.test(adapter.name))(
    'no byte of an answer has left before its record is durable',
    async () => {
      for (const headers of [[keyHeader(ward.testKeys.right)], []]) {
        const connection = new RawConnection(target.port ?? 0)
        const public_ = new RawConnection(target.port ?? 0)
        ledger.hold()
        const before = ledger.entries.length
        const waiting = ledger.appended()
        void connection.write(formatRequest({ method: 'GET', path: '/unthought', headers }))
        await waiting
        // Whatever could have been written by then has been: a later request has its whole answer.
        void public_.write(formatRequest({ method: 'GET', path: '/health' }))
        await public_.answer()
        expect(connection.received).toBe('')
        expect(ledger.entries).toHaveLength(before)
        ledger.release()
        expect((await connection.answer()).status).toBe(headers.length === 0 ? 401 : 200)
        expect(ledger.entries).toHaveLength(before + 1)
        connection.close()
        public_.close()
      }
    },
  )
})
