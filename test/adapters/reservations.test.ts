import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Refusal } from '../../src/core/refusal.ts'
import type { UsageReservation } from '../../src/guard/exchange/reserve.ts'
import { createInProcessLimiter } from '../../src/limits/in-process/in-process-limiter.ts'
import { expectProblem, keyHeader } from '../parity/ask.ts'
import type { RawAnswer } from '../parity/raw-http.ts'
import { openTestWard, type TestWard } from '../support/open-test-ward.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import type { AppRoute } from './app-routes.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'

/** The reservation of `/forgets`, for a handler that settles too late. */
let forgotten: UsageReservation
/** What the mistakes of `/mistakes` threw, by what was settled. */
let mistakes: readonly string[]

const settling =
  (used: number): AppRoute['handle'] =>
  async (_caller, _usage, reserve) => {
    const reservation = await reserve({ tokens: 1_200 })
    await reservation.settle({ tokens: used })
    return 'in'
  }

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'nothing'
  } catch (thrown) {
    return thrown instanceof TypeError ? thrown.message : `no TypeError: ${String(thrown)}`
  }
}

/** What no handler may settle 1,200 tokens to. */
const wrong: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ['-1', { tokens: -1 }],
  ['NaN', { tokens: Number.NaN }],
  ['0.5', { tokens: 0.5 }],
  ['2000000001', { tokens: 2_000_000_001 }],
  ['Infinity', { tokens: Number.POSITIVE_INFINITY }],
  ['12', { tokens: '12' }],
  ['undefined', {}],
  ['undefined', { tokens: undefined }],
]

const routes: readonly AppRoute[] = [
  { path: '/unthought', handle: () => 'in' },
  { path: '/less', handle: settling(400) },
  { path: '/nothing', handle: settling(0) },
  { path: '/more', handle: settling(1_500) },
  {
    path: '/forgets',
    async handle(_caller, _usage, reserve) {
      forgotten = await reserve({ tokens: 1_200 })
      return 'in'
    },
  },
  {
    path: '/twice-reserved',
    async handle(_caller, _usage, reserve) {
      const [one, other] = await Promise.all([reserve({ tokens: 700 }), reserve({ tokens: 700 })])
      await one?.settle({ tokens: 100 })
      await other?.settle({ tokens: 200 })
      return 'in'
    },
  },
  {
    path: '/smaller',
    async handle(_caller, _usage, reserve) {
      const large = await reserve({ tokens: 1_200 }).catch((thrown: unknown) => thrown)
      if (!(large instanceof Refusal)) throw new TypeError('expected a refusal')
      const small = await reserve({ tokens: 300 })
      await small.settle({ tokens: 250 })
      return large.code
    },
  },
  {
    path: '/estimated',
    guard: { cost: { tokens: 500 } },
    async handle(_caller, _usage, reserve) {
      const reservation = await reserve({ tokens: 1_200 })
      await reservation.settle({ tokens: 400 })
      return 'in'
    },
  },
  {
    path: '/mistakes',
    async handle(_caller, _usage, reserve) {
      const reservation = await reserve({ tokens: 1_200 })
      const told: string[] = []
      for (const [, used] of wrong) told.push(await messageOf(() => reservation.settle(used as never)))
      told.push(await messageOf(() => reservation.settle({ tokens: 1, words: 1 })))
      await reservation.settle({ tokens: 400 })
      told.push(await messageOf(() => reservation.settle({ tokens: 1 })))
      mistakes = told
      return 'in'
    },
  },
  {
    path: '/wrong',
    async handle(_caller, _usage, reserve) {
      const told: string[] = []
      const many = Object.fromEntries(Array.from({ length: 16 }, (_, nth) => [`measure_${nth}`, 1]))
      for (const costs of [
        {},
        many,
        { requests: 1 },
        { concurrent: 1 },
        { 'a b': 1 },
        { words: -1 },
        { words: 1e12 },
      ])
        told.push(await messageOf(() => reserve(costs)))
      mistakes = told
      return 'in'
    },
  },
  {
    path: '/throws',
    async handle(_caller, _usage, reserve) {
      await reserve({ tokens: 1_200 })
      throw new Refusal('forbidden', 'closed on Sundays')
    },
  },
]

describe.each([server, ...adapters])('$name: what a handler reserves', (adapter) => {
  let ledger: FakeLedger
  let ward: TestWard
  let target: AdapterTarget
  const time = { now: 0 }
  beforeEach(async () => {
    time.now = Date.UTC(2026, 0, 1)
    const clock = (): number => time.now
    ledger = createFakeLedger()
    ward = await openTestWard({ ledger, limiter: createInProcessLimiter({ clock, monotonic: clock }) })
    target = await adapter.start({ ward, routes })
  })
  afterEach(() => target.close())

  async function keyWith(...limits: readonly string[]) {
    const { text, record } = await ward.keys.create({ name: 'k', limits })
    ledger.entries.length = 0
    return {
      ask: (path: string): Promise<RawAnswer> =>
        target.ask({ method: 'GET', path, headers: [keyHeader(text)] }),
      used: async () => (await ward.limits.status(record.id)).map(({ used }) => used),
    }
  }

  test.each([
    ['/less', 400],
    ['/nothing', 0],
    ['/more', 1_500],
  ])(
    'and settles by %s is what the limit counts, the headers tell and the record says',
    async (path, used) => {
      const key = await keyWith('2000 tokens/h')
      const { status, headers } = await key.ask(path)
      expect([status, headers.get('ratelimit')]).toEqual([
        200,
        [expect.stringContaining(`"hour-tokens";r=${2_000 - used};`)],
      ])
      expect(await key.used()).toEqual([used])
      expect(ledger.entries).toMatchObject([
        { event: 'request.admitted', measures: { requests: 1, tokens: used }, detail: null },
      ])
    },
  )

  test('is refused in one step where a limit has no room: 429, when it passes, and nothing is used', async () => {
    const key = await keyWith('10/min', '2000 tokens/min', '1 concurrent')
    expect((await key.ask('/more')).status).toBe(200)
    const answer = await key.ask('/less')
    expectProblem(answer, 429, 'rate_limited')
    expect(answer.headers.get('retry-after')).toEqual(['61'])
    expect(answer.headers.get('ratelimit')?.[0]).toContain('"minute-tokens";r=500;t=')
    expect(await key.used()).toEqual([1, 1_500, 0])
    expect(ledger.entries.at(-1)).toMatchObject({ code: 'rate_limited', measures: { requests: 0 } })
    time.now += 61_000
    expect((await key.ask('/less')).status).toBe(200)
  })

  test('is 422 where it is more than a limit allows at all', async () => {
    const key = await keyWith('10/min', '1000 tokens/h')
    const answer = await key.ask('/less')
    expectProblem(answer, 422, 'input_invalid')
    expect(answer.body).toContain('expected at most 1000, got 1200')
    expect(await key.used()).toEqual([0, 0])
  })

  test('and never settles stays used, the record says so, and its place is free again', async () => {
    const key = await keyWith('2000 tokens/h', '1 concurrent')
    expect((await key.ask('/forgets')).status).toBe(200)
    expect(ledger.entries.slice(-1)).toMatchObject([
      { measures: { requests: 1, tokens: 1_200 }, detail: { usage: 'reserved' } },
    ])
    await expect.poll(key.used).toEqual([1_200, 0])
    await expect(forgotten.settle({ tokens: 1 })).rejects.toThrow('the answer has ended')
    expect(await key.used()).toEqual([1_200, 0])
  })

  test('and never settles because it throws stays used as well', async () => {
    const key = await keyWith('2000 tokens/h', '1 concurrent')
    expectProblem(await key.ask('/throws'), 403, 'forbidden')
    expect(ledger.entries).toMatchObject([
      { code: 'forbidden', measures: { tokens: 1_200 }, detail: { usage: 'reserved' } },
    ])
    await expect.poll(key.used).toEqual([1_200, 0])
  })

  test('is recorded where no limit counts it', async () => {
    const key = await keyWith()
    await key.ask('/less')
    await key.ask('/twice-reserved')
    await key.ask('/forgets')
    const ended = ledger.entries.filter(({ event }) => event !== 'request.started')
    expect(ended.map(({ measures, detail }) => [measures, detail])).toEqual([
      [{ requests: 1, tokens: 400 }, null],
      [{ requests: 1, tokens: 300 }, null],
      [{ requests: 1, tokens: 1_200 }, { usage: 'reserved' }],
    ])
  })

  test('twice is settled each by itself', async () => {
    const key = await keyWith('2000 tokens/h')
    await key.ask('/twice-reserved')
    expect(await key.used()).toEqual([300])
    expect(ledger.entries).toMatchObject([{ measures: { tokens: 300 }, detail: null }])
  })

  test('may be less after a refusal, and the request is then taken again', async () => {
    const key = await keyWith('5/h', '1000 tokens/h', '2 concurrent')
    const answer = await key.ask('/smaller')
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, 'input_invalid'])
    expect(ledger.entries).toMatchObject([{ measures: { requests: 1, tokens: 250 } }])
    await expect.poll(key.used).toEqual([1, 250, 0])
  })

  test('has in it what the demand of the route has taken of the same measure', async () => {
    const key = await keyWith('1300 tokens/h')
    expect((await key.ask('/estimated')).status).toBe(200)
    expect(await key.used()).toEqual([400])
    expect(ledger.entries).toMatchObject([{ measures: { tokens: 400 } }])
  })

  test('is settled to whole numbers from 0 on of what was reserved, once; anything else changes nothing', async () => {
    const key = await keyWith('2000 tokens/h')
    expect((await key.ask('/mistakes')).status).toBe(200)
    expect(mistakes).toEqual([
      ...wrong.map(([got]) => `settle: \`tokens\`: expected a whole number from 0 to 2000000000, got ${got}`),
      'settle: `words` was not reserved; expected `tokens`',
      'settle: this reservation is settled already',
    ])
    expect(await key.used()).toEqual([400])
  })

  test('has 1 to 15 measures that limits can name, and the guard does not count', async () => {
    const key = await keyWith()
    await key.ask('/wrong')
    expect(mistakes).toEqual([
      'reserve: expected 1 to 15 measures, got 0',
      'reserve: expected 1 to 15 measures, got 16',
      'reserve: `requests` is counted by the guard',
      'reserve: `concurrent` is counted by the guard',
      'reserve: expected a measure that a limit can name, such as tokens, got "a b"',
      'usage.reserve: `words`: expected a whole number from 0 on, got -1',
      'reserve: `words`: expected a whole number from 0 to 2000000000, got 1000000000000',
    ])
    expect(ledger.entries).toMatchObject([{ measures: { requests: 1 } }])
  })

  test('is given back where the answer could not be recorded', async () => {
    const key = await keyWith('10/h', '2000 tokens/h')
    ledger.fault = new Error('full')
    for (const path of ['/less', '/forgets']) expectProblem(await key.ask(path), 503, 'ledger_unavailable')
    expect(await key.used()).toEqual([0, 0])
  })
})

test('what no guard of the ward has admitted reserves nothing', async () => {
  const ward = await openTestWard()
  const request = new Request('http://127.0.0.1')
  await expect(ward.reserve(request, { tokens: 1 })).rejects.toThrow('no caller was admitted')
})
