import { expect, test } from 'vitest'
import { collectEvents } from '../../test/support/collect-events.ts'
import { createOutageReport } from './outage-report.ts'

const begin = Date.UTC(2026, 0, 1)
const since = '2026-01-01T00:00:00.000Z'

function open() {
  const { telemetry, events } = collectEvents()
  const time = { now: begin }
  const outage = createOutageReport('ledger.unreachable', telemetry, () => time.now)
  return { outage, events, time }
}

test('an outage is one event at its beginning and one at its end, however often it was tried', () => {
  const { outage, events, time } = open()
  outage.passed()
  for (let tries = 0; tries < 1_000; tries += 1) outage.failed(new Error(`try ${tries}`))
  expect(outage.isOut()).toBe(true)
  time.now += 59_999
  outage.failed(new Error('last'))
  outage.passed()
  outage.passed()
  expect(outage.isOut()).toBe(false)
  expect(events).toMatchObject([
    { name: 'ledger.unreachable', fields: { since }, cause: { message: 'try 0' } },
    { name: 'ledger.back', fields: { since } },
  ])
})

test('one that goes on is said again each minute, with when it began and why it fails now', () => {
  const { outage, events, time } = open()
  for (let second = 0; second < 150; second += 1) {
    time.now = begin + second * 1_000
    outage.failed(new Error(`second ${second}`))
  }
  outage.passed()
  expect(events.map(({ cause }) => cause)).toMatchObject([
    { message: 'second 0' },
    { message: 'second 60' },
    { message: 'second 120' },
    ...[undefined],
  ])
  expect(events.map(({ fields }) => fields)).toEqual(events.map(() => ({ since })))
})

test('the next outage has a beginning of its own', () => {
  const { outage, events, time } = open()
  outage.failed(undefined)
  outage.passed()
  time.now += 5_000
  outage.failed(undefined)
  expect(events.at(-1)).toMatchObject({ fields: { since: '2026-01-01T00:00:05.000Z' } })
})

test('a clock that was set back does not silence it', () => {
  const { outage, events, time } = open()
  outage.failed(undefined)
  time.now -= 3_600_000
  outage.failed(undefined)
  outage.failed(undefined)
  time.now += 60_000
  outage.failed(undefined)
  expect(events).toHaveLength(3)
})
