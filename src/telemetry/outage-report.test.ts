import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTestTime } from '../../test/support/test-time.ts'
import { createOutageReport } from './outage-report.ts'
import { createTelemetry, type OperationalEvent } from './telemetry.ts'

const since = '2026-01-01T00:00:00.000Z'

function open(options: { readonly calmMs?: number; readonly isRepeated?: boolean } = {}) {
  const { clock, ...time } = createTestTime()
  const events: OperationalEvent[] = []
  /** When an end was said. */
  const ends: number[] = []
  function listen(event: OperationalEvent): void {
    events.push(event)
    if (event.name === 'ledger.back') ends.push(clock())
  }
  const telemetry = createTelemetry([listen], {}, time.scheduler)
  let setBackMs = 0
  const outage = createOutageReport('ledger.unreachable', telemetry, {
    ...options,
    clock: () => clock() - setBackMs,
    scheduler: time.scheduler,
  })
  const setBack = (ms: number): void => {
    setBackMs += ms
  }
  return { outage, events, ends, setBack, ...time }
}

test('an outage is one event at its beginning and one at its end, however often it was tried', async () => {
  const { outage, events, pass } = open()
  outage.passed()
  for (let tries = 0; tries < 1_000; tries += 1) outage.failed(new Error(`try ${tries}`))
  expect(outage.isOut()).toBe(true)
  await pass(59_999)
  outage.failed(new Error('last'))
  outage.passed()
  outage.passed()
  expect(outage.isOut()).toBe(false)
  expect(events).toMatchObject([
    { name: 'ledger.unreachable', fields: { since, attempts: 1 }, cause: { message: 'try 0' } },
    { name: 'ledger.back', fields: { since, attempts: 1_001 } },
  ])
})

test('one that goes on is said again each minute, with when it began and why it fails now', async () => {
  const { outage, events, pass } = open()
  for (let second = 0; second < 150; second += 1) {
    outage.failed(new Error(`second ${second}`))
    await pass(1_000)
  }
  outage.passed()
  expect(events.map(({ cause }) => cause)).toMatchObject([
    { message: 'second 0' },
    { message: 'second 60' },
    { message: 'second 120' },
    ...[undefined],
  ])
  expect(events.map(({ fields }) => fields)).toEqual(
    [1, 61, 121, 150].map((attempts) => ({ since, attempts })),
  )
})

test('what may go on for ever is not said again', async () => {
  const { outage, events, pass } = open({ isRepeated: false })
  for (let minute = 0; minute < 10; minute += 1) {
    outage.failed(undefined)
    await pass(60_000)
  }
  expect(events).toHaveLength(1)
})

test('the next outage has a beginning of its own', async () => {
  const { outage, events, pass } = open()
  outage.failed(undefined)
  outage.passed()
  await pass(5_000)
  outage.failed(undefined)
  expect(events.at(-1)).toMatchObject({ fields: { since: '2026-01-01T00:00:05.000Z', attempts: 1 } })
})

test('a clock that was set back does not silence it, and puts off no end', async () => {
  const { outage, events, setBack, pass } = open({ calmMs: 2_000 })
  outage.failed(undefined)
  setBack(3_600_000)
  outage.failed(undefined)
  outage.failed(undefined)
  await pass(60_000)
  outage.failed(undefined)
  expect(events).toHaveLength(3)
  setBack(3_600_000)
  outage.passed()
  expect(events.at(-1)?.name).toBe('ledger.back')
})

test('what is tried from many sides is over once nothing has failed for a while', async () => {
  const { outage, events, pass, timers } = open({ calmMs: 2_000 })
  for (let tries = 0; tries < 10; tries += 1) {
    outage.failed(undefined)
    outage.passed()
    await pass(1_000)
  }
  expect(events.map(({ name }) => name)).toEqual(['ledger.unreachable'])
  await pass(999)
  expect(events).toHaveLength(1)
  await pass(1)
  expect(events.map(({ name }) => name)).toEqual(['ledger.unreachable', 'ledger.back'])
  expect(timers()).toBe(0)
})

test('what comes and goes each second is one pair of events a minute', async () => {
  const { outage, events, pass } = open()
  for (let second = 0; second < 600; second += 1) {
    outage.failed(undefined)
    await pass(500)
    outage.passed()
    await pass(500)
  }
  await pass(60_000)
  const names = events.map(({ name }) => name)
  // Of ten minutes, and the pair of the first second.
  expect(names).toEqual(Array.from({ length: 11 }, () => ['ledger.unreachable', 'ledger.back']).flat())
  expect(events.at(-1)?.fields).toMatchObject({ attempts: expect.any(Number) })
  const tries = events
    .filter(({ name }) => name === 'ledger.back')
    .reduce((sum, { fields }) => sum + ('attempts' in fields ? fields.attempts : 0), 0)
  expect(tries).toBe(600)
})

test('however it comes and goes, ends are a minute apart, and the last word is the truth', async () => {
  const step = fc.record({ fails: fc.boolean(), ms: fc.integer({ min: 0, max: 30_000 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(3_000), async (steps, calmMs) => {
      const { outage, events, ends, pass } = open({ calmMs })
      for (const { fails, ms } of steps) {
        if (fails) outage.failed(undefined)
        else outage.passed()
        await pass(ms)
      }
      await pass(60_000)
      const apart = ends.slice(1).map((at, index) => at - (ends[index] ?? 0))
      expect(apart.filter((ms) => ms < 60_000)).toEqual([])
      const isOut = steps.at(-1)?.fails ?? false
      expect(events.at(-1)?.name === 'ledger.unreachable').toBe(isOut)
    }),
    { numRuns: 30 },
  )
})

test('one that is stopped says no end by itself', async () => {
  const { outage, events, pass, timers } = open({ calmMs: 2_000 })
  outage.failed(undefined)
  outage.passed()
  outage.stop()
  await pass(60_000)
  expect([events.length, timers()]).toEqual([1, 0])
})
