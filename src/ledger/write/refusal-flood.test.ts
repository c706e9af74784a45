import { describe, expect, test } from 'vitest'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import type { LedgerEntry } from '../format/record.ts'
import { RefusalSummary } from './refusal-summary.ts'

function open() {
  const time = createTestTime()
  const { telemetry, events } = collectEvents()
  const ledger: { fault: Error | undefined; readonly written: LedgerEntry[] } = {
    fault: undefined,
    written: [],
  }
  const summary = new RefusalSummary({
    async write(entry) {
      if (ledger.fault !== undefined) throw ledger.fault
      ledger.written.push(entry)
    },
    formatAddress: (address) => address ?? null,
    clock: time.clock,
    monotonic: time.clock,
    scheduler: time.scheduler,
    telemetry,
  })
  const refuse = (times: number, address: string | undefined, code = 'key_invalid', keyId?: string): void => {
    const known = keyId === undefined ? null : { keyId, owner: 'acme' }
    for (let request = 0; request < times; request += 1) summary.shouldRecord({ address, code, known })
  }
  const floods = () => events.flatMap(({ name, fields }) => (name === 'refusals.flood' ? [fields] : []))
  return { time, ledger, summary, refuse, floods, events }
}

describe('refusals.flood', () => {
  test('a sender who is refused more than a hundred times in a minute is told once, with how often', async () => {
    const { time, refuse, floods } = open()
    refuse(1_005, '192.0.2.1')
    expect(floods()).toEqual([])
    await time.pass(60_000)
    expect(floods()).toEqual([{ address: '192.0.2.1', key_id: null, code: 'key_invalid', count: 1_000 }])
    await time.pass(600_000)
    expect(floods()).toHaveLength(1)
  })

  test('it is told again for each minute that it goes on', async () => {
    const { time, refuse, floods } = open()
    for (let minute = 0; minute < 3; minute += 1) {
      refuse(200, '192.0.2.1')
      await time.pass(60_000)
    }
    expect(floods()).toHaveLength(3)
  })

  test('the holder of a key is named by its id, and by each code', async () => {
    const { time, refuse, floods } = open()
    refuse(200, '192.0.2.1', 'key_revoked', 'k1')
    refuse(300, '192.0.2.2', 'rate_limited', 'k1')
    await time.pass(60_000)
    expect(floods()).toEqual([
      { address: null, key_id: 'k1', code: 'rate_limited', count: 295 },
      { address: null, key_id: 'k1', code: 'key_revoked', count: 195 },
    ])
  })

  test('a client that tries a few times is not reported, and of many floods the largest three are', async () => {
    const { time, refuse, floods } = open()
    refuse(104, '192.0.2.1')
    await time.pass(60_000)
    expect(floods()).toEqual([])
    for (let sender = 0; sender < 20; sender += 1) refuse(105 + sender, `2001:db8:${sender.toString(16)}::1`)
    await time.pass(60_000)
    expect(floods().map(({ count }) => count)).toEqual([119, 118, 117])
  })

  test('counts that a ledger which is out has kept back are no flood of the next minute, and one event', async () => {
    const { time, ledger, refuse, floods, events } = open()
    ledger.fault = new Error('full')
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) refuse(205, address)
    await time.pass(60_000)
    expect(floods()).toHaveLength(3)
    await time.pass(120_000)
    expect(floods()).toHaveLength(3)
    expect(events.filter(({ name }) => name === 'ledger.summary_late')).toMatchObject([
      { fields: { requests: 600 } },
      { fields: { requests: 600 } },
      { fields: { requests: 600 } },
    ])
    ledger.fault = undefined
    await time.pass(60_000)
    expect(ledger.written.map(({ measures }) => measures)).toEqual([
      { refused: 200 },
      { refused: 200 },
      { refused: 200 },
    ])
  })
})
