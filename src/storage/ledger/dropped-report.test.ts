import { expect, test } from 'vitest'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { createDroppedReport } from './dropped-report.ts'

test('what retention drops each second is said at once, and then once a minute with how many', () => {
  const { telemetry, events } = collectEvents()
  let now = 0
  const tell = createDroppedReport(telemetry, () => now)
  tell()
  for (let second = 0; second < 130; second += 1) {
    tell(10)
    now += 1_000
  }
  expect(events.map(({ name, fields }) => [name, fields])).toEqual([
    ['ledger.dropped', { records: 10 }],
    ['ledger.dropped', { records: 600 }],
    ['ledger.dropped', { records: 600 }],
  ])
  now += 60_000
  tell()
  tell()
  expect(events.slice(3)).toMatchObject([{ fields: { records: 90 } }])
})
