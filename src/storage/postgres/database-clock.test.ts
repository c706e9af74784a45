import fc from 'fast-check'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { databaseUrl, unhurried } from '../../../test/support/services.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { type DatabaseClock, type DatabaseClockOptions, openDatabaseClock } from './database-clock.ts'
import { openPostgres, type Postgres } from './postgres.ts'

let postgres: Postgres
beforeAll(async () => {
  postgres = await openPostgres({ ...unhurried, url: await databaseUrl(), fault: 'store_unavailable' })
})
afterAll(() => postgres.close())

const still = createTestTime().scheduler

async function open(options: Partial<DatabaseClockOptions>): Promise<DatabaseClock> {
  const opened = await openDatabaseClock({ postgres, scheduler: still, ...options })
  onTestFinished(opened.stop)
  return opened
}

/** A database, this machine's clock and the time that passes, all moved by the test. */
function createMachine({ ahead = 0 }: { readonly ahead?: number } = {}) {
  const time = { database: 1_000_000, ahead, passed: 500, roundTrip: 0, isOut: false }
  const pass = (ms: number): void => {
    time.passed += ms
    time.database += ms
  }
  return {
    time,
    pass,
    options: {
      wall: () => time.database + time.ahead,
      monotonic: () => time.passed,
      postgres: {
        async query<Row extends object>() {
          if (time.isOut) throw new Fault('store_unavailable', 'out')
          pass(time.roundTrip / 2)
          const rows = [{ now: time.database }] as unknown as readonly Row[]
          pass(time.roundTrip / 2)
          return rows
        },
      },
    },
  }
}

test('the clock is that of PostgreSQL, however wrong this machine’s is', async () => {
  for (const wrong of [-7_200_000, 0, 40_000]) {
    const { clock, skewMs, measure } = await open({ wall: () => Date.now() + wrong })
    await measure()
    const before = clock()
    const [row] = await postgres.query<{ readonly now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
    )
    expect(row?.now).toBeGreaterThan(before - 1_000)
    expect(row?.now).toBeLessThan(clock() + 1_000)
    expect(Math.abs((skewMs() ?? 0) - wrong)).toBeLessThan(1_000)
  }
})

test('half of a round trip counts as the way back', async () => {
  const { time, options } = createMachine({ ahead: 5_000 })
  time.roundTrip = 200
  const { clock, skewMs } = await open(options)
  expect(clock()).toBe(time.database)
  expect(skewMs()).toBe(5_000)
})

test('a skew is reported once above a second and once at its end; above a minute the node is not ready', async () => {
  const { time, options } = createMachine({ ahead: 900 })
  const { telemetry, events, names } = collectEvents()
  const { measure, skewMs, isFarOff } = await open({ ...options, telemetry })
  expect(names).toEqual([])
  for (const ahead of [-1_500, 1_200, 900]) {
    time.ahead = ahead
    await measure()
    expect([skewMs(), isFarOff()]).toEqual([ahead, false])
  }
  expect(events).toMatchObject([{ name: 'node.clock_off', fields: { milliseconds: -1_500 } }])
  time.ahead = 61_000
  await measure()
  expect(isFarOff()).toBe(true)
  time.ahead = -61_000
  await measure()
  expect(isFarOff()).toBe(true)
  time.ahead = 0
  await measure()
  expect([isFarOff(), names]).toEqual([false, ['node.clock_off', 'node.clock_right']])
})

test('it never goes backwards, whatever the database and this machine’s clock do, and is right in the end', async () => {
  const step = fc.record({
    passes: fc.integer({ min: 0, max: 3_000 }),
    roundTrip: fc.integer({ min: 0, max: 900 }),
    databaseJumps: fc.oneof(fc.constant(0), fc.integer({ min: -20_000, max: 20_000 })),
    wallJumps: fc.oneof(fc.constant(0), fc.integer({ min: -90_000, max: 90_000 })),
    isOut: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { time, pass, options } = createMachine()
      const { clock, measure, stop } = await openDatabaseClock({ ...options, scheduler: still })
      let last = clock()
      const look = (): void => {
        const now = clock()
        expect(now).toBeGreaterThanOrEqual(last)
        expect(Number.isInteger(now)).toBe(true)
        last = now
      }
      for (const { passes, roundTrip, databaseJumps, wallJumps, isOut } of steps) {
        time.database += databaseJumps
        time.ahead += wallJumps
        Object.assign(time, { roundTrip, isOut })
        await measure().catch(() => undefined)
        look()
        pass(passes)
        look()
      }
      Object.assign(time, { roundTrip: 0, isOut: false })
      await measure()
      for (let ms = 0; ms < 1_000_000; ms += 1_000) {
        pass(1_000)
        look()
      }
      expect(Math.abs(clock() - time.database)).toBeLessThanOrEqual(1)
      stop()
    }),
    { numRuns: 100 },
  )
})

test('a database that is behind slows the clock to half; ahead by less than a second, to half more', async () => {
  for (const [jump, slewed] of [
    [-10_000, 500],
    [800, 1_500],
  ] as const) {
    const { time, pass, options } = createMachine()
    const { clock, measure } = await open(options)
    const before = clock()
    time.database += jump
    await measure()
    expect(clock()).toBe(before)
    pass(1_000)
    expect(clock() - before).toBe(slewed)
  }
})

test('after this machine has slept the clock is right with the next measurement', async () => {
  const { time, options } = createMachine()
  const { clock, measure } = await open(options)
  clock()
  time.database += 3_600_000
  await measure()
  expect(clock()).toBe(time.database)
})

test('a database that is out at the start leaves this machine’s clock, and is measured each second', async () => {
  const { time, pass, options } = createMachine({ ahead: 700 })
  time.isOut = true
  const testTime = createTestTime()
  const { clock, measure, skewMs } = await open({ ...options, scheduler: testTime.scheduler })
  expect([clock(), skewMs()]).toEqual([time.database + 700, undefined])
  await expect(measure()).rejects.toMatchObject({ code: 'store_unavailable' })
  time.isOut = false
  await testTime.pass(1_000)
  await testTime.settle()
  expect(skewMs()).toBe(700)
  pass(2_000)
  expect(clock()).toBe(time.database)
})
