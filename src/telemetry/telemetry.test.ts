import { expect, test } from 'vitest'
import { createTestTime } from '../../test/support/test-time.ts'
import { createTelemetry, type OperationalEvent } from './telemetry.ts'

function open() {
  const time = createTestTime()
  const told: OperationalEvent[] = []
  return { time, told, telemetry: createTelemetry([(event) => told.push(event)], {}, time.scheduler) }
}

test('what each request of an outage can bring is said at once, and once a minute with how many there were', async () => {
  const { time, told, telemetry } = open()
  for (let request = 0; request < 500; request += 1) telemetry.event('ledger.record_lost', {}, request)
  expect(told).toMatchObject([{ name: 'ledger.record_lost', fields: { times: 1 }, cause: 0 }])
  await time.pass(60_000)
  expect(told.slice(1)).toMatchObject([{ fields: { times: 499 }, cause: 499 }])
  telemetry.event('ledger.record_lost', {})
  await time.pass(59_999)
  expect(told).toHaveLength(2)
  await time.pass(1)
  expect(told.slice(2)).toMatchObject([{ fields: { times: 1 } }])
})

test('after a minute without one it is said at once again, and no timer is left', async () => {
  const { time, told, telemetry } = open()
  telemetry.event('ledger.record_lost', {})
  await time.pass(60_000)
  expect(time.timers()).toBe(0)
  telemetry.event('ledger.record_lost', {})
  expect(told.map(({ fields }) => fields)).toEqual([{ times: 1 }, { times: 1 }])
})

test('those with other fields, and other events, are said for themselves', () => {
  const { told, telemetry } = open()
  for (const task of ['a', 'b', 'a']) telemetry.event('jobs.sweep_failed', { task })
  telemetry.event('limiter.settle_failed', {})
  for (const job of ['1', '2']) telemetry.event('job.not_ended', { job })
  expect(told.map(({ fields }) => fields)).toEqual([
    { task: 'a', times: 1 },
    { task: 'b', times: 1 },
    { times: 1 },
    { job: '1' },
    { job: '2' },
  ])
})
