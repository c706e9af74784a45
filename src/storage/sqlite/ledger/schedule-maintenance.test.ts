import { expect, onTestFinished, test, vi } from 'vitest'
import { collectEvents } from '../../../../test/support/collect-events.ts'
import { Fault } from '../../../core/fault.ts'
import type { LedgerEntry } from '../../../ledger/format/record.ts'
import { scheduleMaintenance } from './schedule-maintenance.ts'
import type { LedgerThread, LedgerThreadCalls, Maintained } from './threads.ts'

const turnMs = 1_000

test('what was dropped while no record could be written is recorded with the next turn, once', async () => {
  const turns: Maintained['dropped'][] = [
    { records: 5, until: 10 },
    { records: 7, until: 20 },
    undefined,
    undefined,
  ]
  const appended: LedgerEntry[] = []
  let isOut = true
  const { telemetry, names } = collectEvents()
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const maintenance = scheduleMaintenance({
    thread: threadThat(() => turns.shift()),
    now: () => 0,
    monotonic: () => 0,
    async append(entry) {
      if (isOut) throw new Fault('ledger_unavailable', 'ledger: database is locked')
      appended.push(entry)
    },
    telemetry,
  })
  await vi.advanceTimersByTimeAsync(2 * turnMs)
  expect(appended).toEqual([])
  isOut = false
  await vi.advanceTimersByTimeAsync(2 * turnMs)
  await maintenance.close()
  expect(turns).toEqual([])
  expect(appended).toMatchObject([{ event: 'ledger.dropped', detail: { records: 12, until: 20 } }])
  expect(names).toEqual(['ledger.maintenance_failed', 'ledger.dropped'])
})

test('a log that a reader holds is told once, and again the next time', async () => {
  const sizes = [undefined, 9, 10, undefined, 11]
  const { telemetry, events } = collectEvents()
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const maintenance = scheduleMaintenance({
    thread: threadThat(
      () => undefined,
      () => sizes.shift(),
    ),
    now: () => 0,
    monotonic: () => 0,
    append: async () => {},
    telemetry,
  })
  await vi.advanceTimersByTimeAsync(5 * turnMs)
  await maintenance.close()
  expect(events.map(({ name, fields }) => [name, fields])).toEqual([
    ['ledger.log_held', { bytes: 9 }],
    ['ledger.log_held', { bytes: 11 }],
  ])
})

function threadThat(
  maintain: () => Maintained['dropped'],
  heldLogBytes: () => number | undefined = () => undefined,
): Pick<LedgerThread, 'ask' | 'close'> {
  const handlers: Partial<LedgerThreadCalls> = {
    maintain: () => ({ dropped: maintain(), heldLogBytes: heldLogBytes() }),
  }
  return {
    ask: async (name, argument) => handlers[name]?.(argument as never) as never,
    close: async () => undefined,
  }
}
