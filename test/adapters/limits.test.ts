import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import { Refusal } from '../../src/core/refusal.ts'
import type { Demand } from '../../src/guard/demand.ts'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import {
  createInProcessLimiter,
  type InProcessLimiter,
} from '../../src/limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../src/limits/limiter.ts'
import { expectProblem, keyHeader } from '../parity/ask.ts'
import { formatRequest, type RawAnswer, RawConnection, type RawRequest } from '../parity/raw-http.ts'
import { openTestWard, type TestWard } from '../support/open-test-ward.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import { type AppRoute, cause } from './app-routes.ts'

/** Ends what `/slow` waits for. */
let finish: () => void
let begun: PromiseWithResolvers<void>
let settled: PromiseWithResolvers<void>

const beta: Demand = {
  check() {
    throw new Refusal('forbidden', 'beta only')
  },
}

const routes: readonly AppRoute[] = [
  { path: '/unthought', handle: () => 'in' },
  { path: '/any', guard: { anyKey: true }, handle: () => 'in' },
  { path: '/report', guard: { limits: ['1/h'] }, handle: () => 'in' },
  {
    path: '/tokens',
    guard: { cost: { tokens: 600 } },
    async handle(_readCaller, readUsage) {
      await readUsage().settle({ tokens: 40 })
      return 'in'
    },
  },
  {
    path: '/costs-less-and-fails',
    guard: { cost: { tokens: 600 } },
    async handle(_readCaller, readUsage) {
      await readUsage().settle({ tokens: 40 })
      throw new Fault('model_failed', cause)
    },
  },
  {
    path: '/changes-its-mind',
    async handle(_readCaller, readUsage) {
      await readUsage().giveBack()
      throw new Refusal('forbidden', 'closed on Sundays')
    },
  },
  {
    path: '/fails',
    handle() {
      throw new Fault('model_failed', cause)
    },
  },
  {
    path: '/refuses',
    guard: { anyKey: true },
    handle() {
      throw new Refusal('not_found', 'no such model')
    },
  },
  { path: '/scope', guard: { scope: 'write' }, handle: () => 'in' },
  { path: '/any-scope', guard: { anyScope: ['write', 'admin'] }, handle: () => 'in' },
  { path: '/needs', guard: { needs: [{ scope: 'write' }] }, handle: () => 'in' },
  { path: '/needs-check', guard: { needs: [beta] }, handle: () => 'in' },
  { path: '/check', guard: beta, handle: () => 'in' },
  { path: '/breaks', guard: { check: () => Promise.reject(new Error(cause)) }, handle: () => 'in' },
  { path: '/too-dear', guard: { limits: ['5 tokens/h'], cost: { tokens: 6 } }, handle: () => 'in' },
  { path: '/forgets', guard: { cost: { tokens: 600 } }, handle: () => 'in' },
  {
    path: '/slow',
    handle: () =>
      new Promise((resolve) => {
        finish = () => resolve('in')
        begun.resolve()
      }),
  },
]

function limiterOf(memory: InProcessLimiter): Limiter {
  return {
    ...memory,
    async settle(...args) {
      await memory.settle(...args)
      settled.resolve()
    },
  }
}

describe.each([server, ...adapters])('$name', (adapter) => {
  let ward: TestWard
  let target: AdapterTarget
  beforeEach(async () => {
    begun = Promise.withResolvers()
    settled = Promise.withResolvers()
    const time = { now: Date.UTC(2026, 0, 1) }
    const clock = (): number => time.now
    const limiter = limiterOf(createInProcessLimiter({ clock, monotonic: clock }))
    ward = await openTestWard({ limiter })
    target = await adapter.start({ ward, routes })
  })
  afterEach(() => target.close())

  const keyWith = async (...limits: readonly string[]): Promise<string> =>
    (await ward.keys.create({ name: 'k', limits })).text
  const requestOf = (path: string, key: string): RawRequest => ({
    method: 'GET',
    path,
    headers: [keyHeader(key)],
  })
  const ask = (path: string, key: string): Promise<RawAnswer> => target.ask(requestOf(path, key))

  test('an admitted answer tells how the limits stand', async () => {
    const key = await keyWith('10/min', '5 concurrent')
    const { status, headers } = await ask('/unthought', key)
    expect(status).toBe(200)
    expect(Object.fromEntries([...headers].filter(([name]) => name.includes('ratelimit')))).toEqual({
      'ratelimit-policy': ['"minute";q=10;w=60, "concurrent";q=5'],
      ratelimit: ['"minute";r=9;t=60, "concurrent";r=4'],
      'x-ratelimit-limit-requests': ['10'],
      'x-ratelimit-remaining-requests': ['9'],
      'x-ratelimit-reset-requests': ['60s'],
    })
  })

  test('two guards of one request take the limits of the key once', async () => {
    const key = await keyWith('2/min')
    const answers = [await ask('/any', key), await ask('/any', key)]
    expect(answers.map(({ status, headers }) => [status, headers.get('ratelimit')])).toEqual([
      [200, ['"minute";r=1;t=60']],
      [200, ['"minute";r=0;t=60']],
    ])
    expectProblem(await ask('/any', key), 429, 'rate_limited')
  })

  test.each([
    ['/scope', 403],
    ['/any-scope', 403],
    ['/needs', 403],
    ['/needs-check', 403],
    ['/check', 403],
    ['/breaks', 500],
    ['/too-dear', 422],
  ])('what the guard of %s refuses has used nothing, and tells of no limit', async (path, status) => {
    const key = await keyWith('10/min', '5/calendar day')
    const answers = await Promise.all([ask(path, key), ask(path, key), ask(path, key)])
    for (const answer of answers) {
      expect(answer.status).toBe(status)
      expect(answer.headers.has('ratelimit')).toBe(false)
      expect(answer.headers.has('x-ratelimit-remaining-requests')).toBe(false)
    }
    const { headers } = await ask('/unthought', key)
    expect(headers.get('ratelimit')?.[0]).toContain('"minute";r=9;t=60, "calendar-day";r=4')
  })

  test('strangers without a key, whom the guard of a route refuses, use up no limit of everyone', async () => {
    const scheme = apiKeyHeader({ name: 'X-API-Key', autoError: false })
    const open = await openTestWard({ schemes: [scheme], limitEveryone: ['1/min'] })
    const other = await adapter.start({ ward: open, routes })
    try {
      const strange = (): Promise<RawAnswer> => other.ask({ method: 'GET', path: '/scope' })
      for (let asked = 0; asked < 3; asked += 1) expect((await strange()).status).toBe(401)
      const { text } = await open.keys.create({ name: 'k' })
      const answer = await other.ask(requestOf('/unthought', text))
      expect([answer.status, answer.headers.get('ratelimit')]).toEqual([200, ['"everyone-minute";r=0;t=60']])
    } finally {
      await other.close()
    }
  })

  test.each([
    ['/refuses', 404],
    ['/fails', 502],
  ])('what the handler of %s throws tells how the limits stand', async (path, status) => {
    const answer = await ask(path, await keyWith('10/min'))
    expect([answer.status, answer.headers.get('ratelimit')]).toEqual([status, ['"minute";r=9;t=60']])
    expect(answer.headers.get('x-ratelimit-remaining-requests')).toEqual(['9'])
  })

  test('a limit of a route that refuses tells of all limits of the request', async () => {
    const key = await keyWith('10/min')
    await ask('/report', key)
    const { headers } = await ask('/report', key)
    expect(headers.get('ratelimit')).toEqual(['"minute";r=9;t=60, "route-hour";r=0;t=3600'])
  })

  test.each([
    ['/tokens', 200, '"minute-tokens";r=960;t=61'],
    ['/costs-less-and-fails', 502, '"minute-tokens";r=960;t=61'],
    ['/changes-its-mind', 403, '"minute-tokens";r=1000;t=0'],
  ])(
    'after settling or giving back, the answer of %s tells the real figure',
    async (path, status, ratelimit) => {
      const answer = await ask(path, await keyWith('1000 tokens/min'))
      expect([answer.status, answer.headers.get('ratelimit')]).toEqual([status, [ratelimit]])
    },
  )

  test('a limit of a route refuses there alone, each key by itself', async () => {
    const key = await keyWith('10/min')
    const first = await ask('/report', key)
    expect(first.status).toBe(200)
    expect(first.headers.get('ratelimit')?.[0]).toContain('"route-hour";r=0')
    const refused = await ask('/report', key)
    expect(expectProblem(refused, 429, 'rate_limited').detail).toContain('The limit of this route, 1/h')
    expect(refused.headers.get('retry-after')).toEqual(['3600'])
    // Refused by the route, it has used nothing of the key's own limit.
    expect((await ask('/unthought', key)).headers.get('ratelimit')).toEqual(['"minute";r=8;t=60'])
    expect((await ask('/report', await keyWith())).status).toBe(200)
  })

  test('a cost is reserved before the handler, and settled to what it was', async () => {
    const key = await keyWith('1000 tokens/min')
    for (let call = 0; call < 5; call += 1) expect((await ask('/tokens', key)).status).toBe(200)
    // 200 are used, and 600 of 800 are left to take; then 200 are.
    expect((await ask('/forgets', key)).status).toBe(200)
    expectProblem(await ask('/forgets', key), 429, 'rate_limited')
  })

  test('a cost above its limit is refused for good, and not until later', async () => {
    const answer = await ask('/tokens', await keyWith('500 tokens/min'))
    expectProblem(answer, 422, 'input_invalid')
    expect(answer.headers.has('retry-after')).toBe(false)
  })

  test('what is under way at once is free again when it has been answered', async () => {
    const key = await keyWith('1 concurrent')
    for (let call = 0; call < 3; call += 1) {
      settled = Promise.withResolvers()
      expect((await ask('/unthought', key)).status).toBe(200)
      await settled.promise
    }
  })

  test.runIf(hasSocket(adapter))(
    'what is under way at once is free again when its client has gone and its work has ended',
    async () => {
      const key = await keyWith('1 concurrent')
      const connection = new RawConnection(target.port ?? 0)
      void connection.write(formatRequest(requestOf('/slow', key)))
      await begun.promise
      expectProblem(await ask('/unthought', key), 429, 'concurrency_limited')
      connection.close()
      finish()
      await settled.promise
      expect((await ask('/unthought', key)).status).toBe(200)
    },
  )
})

describe.each([server, ...adapters])('$name, the limiter out', (adapter) => {
  const fault = (): Fault => new Fault('limiter_unavailable', cause, { cause: new Error(cause) })
  const out: readonly (readonly [string, () => never | Promise<never>, number])[] = [
    [
      'throws',
      () => {
        throw fault()
      },
      503,
    ],
    ['rejects', () => Promise.reject(fault()), 503],
    ['fails with what is no fault of ours', () => Promise.reject(new RangeError(cause)), 500],
  ]

  test.each(out)('that %s: 503 or 500, and never 200', async (_, take, status) => {
    const ward = await openTestWard({ limiter: { ...createInProcessLimiter(), take } })
    const limited = await ward.keys.create({ name: 'k', limits: ['10/min'] })
    const free = await ward.keys.create({ name: 'k', limits: [] })
    const target = await adapter.start({ ward, routes })
    try {
      const ask = (path: string, key: string): Promise<RawAnswer> =>
        target.ask({ method: 'GET', path, headers: [keyHeader(key)] })
      for (const path of ['/unthought', '/any', '/nowhere']) {
        const answer = await ask(path, limited.text)
        expect(answer.status).toBe(status)
        if (status !== 503) continue
        expectProblem(answer, 503, 'limiter_unavailable')
        expect(answer.body + JSON.stringify([...answer.headers])).not.toContain('passwd')
        expect(target.toldFaults()).toContain('passwd')
      }
      // A key without limits needs no limiter.
      expect((await ask('/unthought', free.text)).status).toBe(200)
    } finally {
      await target.close()
    }
  })
})

function hasSocket({ name }: { readonly name: string }): boolean {
  return !/app\.request|web-standard/.test(name)
}
