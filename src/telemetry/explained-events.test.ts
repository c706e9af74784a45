import { expect, test } from 'vitest'
import { createTestTime } from '../../test/support/test-time.ts'
import { createOutageReport } from './outage-report.ts'
import { createTelemetry } from './telemetry.ts'

/** A deployment with a store, and two subjects that need it. */
function open() {
  const time = createTestTime()
  const names: string[] = []
  const telemetry = createTelemetry([({ name }) => names.push(name)], {}, time.scheduler)
  const timing = { clock: time.clock, scheduler: time.scheduler }
  const told = { store: 'PostgreSQL' }
  const store = createOutageReport('store.unreachable', telemetry, {
    ...timing,
    begin: () => told,
    end: () => told,
  })
  const keys = createOutageReport('keys.sync_failed', telemetry, timing)
  const ledger = createOutageReport('ledger.unreachable', telemetry, timing)
  return { ...time, names, telemetry, store, keys, ledger }
}

test('what fails with its store is the outage of the store alone, whichever is noticed first', async () => {
  for (const first of ['store', 'subject']) {
    const { names, store, keys, ledger, telemetry, pass, timers } = open()
    if (first === 'store') store.failed('down')
    for (let second = 0; second < 200; second += 1) {
      keys.failed('down')
      ledger.failed('down')
      telemetry.event('job.not_ended', { job: `job ${second}` }, 'down', undefined)
      telemetry.event('jobs.sweep_failed', { task: 'expiry' }, 'down')
      if (second === 2) store.failed('down')
      if (second > 2) telemetry.event('ledger.maintenance_failed', {}, 'down')
      await pass(1_000)
    }
    store.passed()
    await pass(10_000)
    keys.passed()
    ledger.passed()
    await pass(120_000)
    expect(names).toEqual(['store.unreachable', 'store.back'])
    expect(timers()).toBe(0)
  }
})

test('a subject that fails while its store answers has events of its own, a moment later', async () => {
  const { names, keys, telemetry, pass } = open()
  keys.failed('a table is missing')
  telemetry.event('ledger.maintenance_failed', {}, 'a table is missing')
  await pass(2_999)
  expect(names).toEqual([])
  await pass(1)
  expect(names).toEqual(['keys.sync_failed', 'ledger.maintenance_failed'])
  await pass(57_000)
  keys.failed('a table is missing')
  keys.passed()
  expect(names.slice(2)).toEqual(['keys.sync_failed', 'keys.sync_back'])
})

test('one that still fails a minute after its store is back is said then', async () => {
  const { names, store, keys, pass } = open()
  store.failed('down')
  keys.failed('down')
  store.passed()
  for (let second = 0; second < 59; second += 1) {
    keys.failed('a table is missing')
    await pass(1_000)
  }
  expect(names).toEqual(['store.unreachable', 'store.back'])
  await pass(1_000)
  expect(names.slice(2)).toEqual(['keys.sync_failed'])
  keys.passed()
  expect(names.slice(3)).toEqual(['keys.sync_back'])
})

test('one that was said before its store went out is not said again meanwhile, and its end is', async () => {
  const { names, store, keys, pass } = open()
  keys.failed('a table is missing')
  await pass(3_000)
  store.failed('down')
  await pass(60_000)
  keys.failed('down')
  store.passed()
  keys.passed()
  expect(names).toEqual(['keys.sync_failed', 'store.unreachable', 'store.back', 'keys.sync_back'])
})

test('what passes before its store is known to be out was nothing', async () => {
  const { names, keys, pass, timers } = open()
  keys.failed('a connection was cut')
  await pass(1_000)
  keys.passed()
  await pass(60_000)
  expect([names, timers()]).toEqual([[], 0])
})

test('where nothing tells of the store, a subject tells of itself, at once', () => {
  const names: string[] = []
  const telemetry = createTelemetry([({ name }) => names.push(name)])
  const keys = createOutageReport('keys.sync_failed', telemetry, {})
  keys.failed('down')
  telemetry.event('job.not_ended', { job: 'one' }, undefined, undefined)
  keys.passed()
  expect(names).toEqual(['keys.sync_failed', 'job.not_ended', 'keys.sync_back'])
})

test('of many different ones, a thousand wait and the others are said', async () => {
  const { names, telemetry, pass } = open()
  for (let job = 0; job < 1_500; job += 1)
    telemetry.event('job.not_ended', { job: `${job}` }, undefined, undefined)
  expect(names).toHaveLength(500)
  await pass(3_000)
  expect(names).toHaveLength(1_500)
})
