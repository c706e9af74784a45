import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { createTestTime } from '../../test/support/test-time.ts'
import { noMeasures } from './measures.ts'
import { createTelemetry, type OperationalEvent } from './telemetry.ts'
import type { Tracing } from './tracing.ts'

function open() {
  const time = createTestTime()
  const told: OperationalEvent[] = []
  return { time, told, telemetry: createTelemetry([(event) => told.push(event)], {}, time.scheduler) }
}

test('what each request of an outage can bring is said at once, and once a minute with how many there were', async () => {
  const { time, told, telemetry } = open()
  for (let request = 0; request < 500; request += 1)
    telemetry.event('ledger.record_lost', {}, request, undefined)
  expect(told).toMatchObject([{ name: 'ledger.record_lost', fields: { times: 1 }, cause: 0 }])
  await time.pass(60_000)
  expect(told.slice(1)).toMatchObject([{ fields: { times: 499 }, cause: 499 }])
  telemetry.event('ledger.record_lost', {}, undefined, undefined)
  await time.pass(59_999)
  expect(told).toHaveLength(2)
  await time.pass(1)
  expect(told.slice(2)).toMatchObject([{ fields: { times: 1 } }])
})

test('after a minute without one it is said at once again, and no timer is left', async () => {
  const { time, told, telemetry } = open()
  telemetry.event('ledger.record_lost', {}, undefined, undefined)
  await time.pass(60_000)
  expect(time.timers()).toBe(0)
  telemetry.event('ledger.record_lost', {}, undefined, undefined)
  expect(told.map(({ fields }) => fields)).toEqual([{ times: 1 }, { times: 1 }])
})

test('those with other fields, and other events, are said for themselves', () => {
  const { told, telemetry } = open()
  for (const task of ['a', 'b', 'a']) telemetry.event('jobs.sweep_failed', { task })
  telemetry.event('limiter.settle_failed', {}, undefined, undefined)
  for (const job of ['1', '2']) telemetry.event('job.not_ended', { job }, undefined, undefined)
  expect(told.map(({ fields }) => fields)).toEqual([
    { task: 'a', times: 1 },
    { task: 'b', times: 1 },
    { times: 1 },
    { job: '1' },
    { job: '2' },
  ])
})

test('an event that one request caused says which, and none that counts several or that no request caused does', async () => {
  const { time, told, telemetry } = open()
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true, state: '' }
  telemetry.event('job.not_ended', { job: '1' }, 'down', { requestId: 'req1', trace })
  telemetry.event('job.not_ended', { job: '2' }, 'down', { requestId: 'req2', trace: undefined })
  telemetry.event('job.not_ended', { job: '3' }, 'down', { requestId: null, trace: undefined })
  const [first, ...others] = told.map(({ level: _, message: __, ...said }) => said)
  const name = 'job.not_ended'
  expect(first).toEqual({ name, fields: { job: '1' }, cause: 'down', requestId: 'req1', trace })
  expect(others).toEqual([
    { name, fields: { job: '2' }, cause: 'down', requestId: 'req2' },
    { name, fields: { job: '3' }, cause: 'down' },
  ])
  for (const requestId of ['req4', 'req5', 'req6'])
    telemetry.event('ledger.record_lost', {}, 'down', { requestId, trace: undefined })
  await time.pass(60_000)
  expect(told.slice(3)).toMatchObject([
    { fields: { times: 1 }, requestId: 'req4' },
    { fields: { times: 2 }, cause: 'down' },
  ])
  expect(told.at(-1)).not.toHaveProperty('requestId')
})

/** A listener that is an async function, which TypeScript takes for one that returns nothing. */
async function failLater(): Promise<never> {
  throw new Error('the listener broke')
}

test('a listener that fails later, as an async one does, is a warning and no end of the process', async () => {
  const asked = vi.fn(failLater)
  const warned = once(process, 'warning')
  const { event } = createTelemetry([asked as () => void])
  event('guard.address_unknown', {}, undefined, undefined)
  expect(String(await warned)).toContain('guard.address_unknown')

  const counted = vi.fn(failLater)
  const dropped = once(process, 'warning')
  const { measures } = createTelemetry([], {
    measures: { ...noMeasures, isOn: true, guard: counted as () => void },
  })
  measures.guard(1)
  expect(String(await dropped)).toContain('measures')
  measures.guard(1)
  expect(counted).toHaveBeenCalledOnce()

  const begun = vi.fn(failLater)
  const untraced = once(process, 'warning')
  const begin = begun as unknown as Tracing['begin']
  const { tracing } = createTelemetry([], { tracing: { tellsOwners: true, begin, active: () => undefined } })
  expect(tracing?.begin('a')).toBeUndefined()
  expect(String(await untraced)).toContain('traces')
  expect(tracing?.begin('b')).toBeUndefined()
  expect(begun).toHaveBeenCalledOnce()
})

test('a listener of spans is asked whether it is on; one that throws there is dropped with a warning', async () => {
  const listener: Tracing = { tellsOwners: true, begin: () => undefined, active: () => undefined }
  const open = (isOn?: () => boolean) =>
    createTelemetry([], { tracing: { ...listener, ...(isOn && { isOn }) } }).tracing
  expect([open(), open(() => true), open(() => false)].map((tracing) => tracing?.isOn())).toEqual([
    true,
    true,
    false,
  ])
  const asked = vi.fn(failNow)
  const warned = once(process, 'warning')
  const tracing = open(asked)
  expect(tracing?.isOn()).toBe(false)
  expect(String(await warned)).toContain('traces')
  expect(tracing?.isOn()).toBe(false)
  expect(asked).toHaveBeenCalledOnce()
})

test('a listener that says nothing of how a figure ends, or throws there, keeps no ward from closing', () => {
  for (const end of [undefined, failNow]) {
    const figure = (() => end) as unknown as typeof noMeasures.figure
    const { measures } = createTelemetry([], { measures: { ...noMeasures, isOn: true, figure } })
    expect(measures.figure('jobs', () => 1)).not.toThrow()
  }
})

function failNow(): never {
  throw new Error('the listener broke')
}
