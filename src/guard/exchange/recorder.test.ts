import { describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { collectEvents } from '../../../test/support/collect-events.ts'
import {
  headOf,
  openTestWard,
  type TestWard,
  type TestWardOptions,
} from '../../../test/support/open-test-ward.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import { addEntry, createUsageCounts } from '../../ledger/query/usage-counts.ts'
import { usageEntryOf } from '../../ledger/query/usage-entry.ts'
import { RefusalSummary } from '../../ledger/write/refusal-summary.ts'
import { stdoutSink } from '../../ledger/write/stdout-sink.ts'

const answer = { status: 200, route: '/', requestId: undefined }

/** Asks for a scope that the key lacks. */
async function askForScope(ward: TestWard, text: string): Promise<void> {
  const exchange = ward.guard.open({}, headOf({ 'x-api-key': text }), 'GET')
  await ward.guard.admit(exchange, { scope: 'reports' })
  await exchange.answer(answer)
}

/** A ward, and a way to ask it as an adapter would. */
async function open(options: TestWardOptions = {}) {
  const { telemetry, names: told } = collectEvents()
  const ward = await openTestWard({ telemetry, ...options })
  async function ask(
    headers: Readonly<Record<string, string>> = {},
    address = '203.0.113.77',
  ): Promise<void> {
    const head = headOf(headers, address)
    const exchange = ward.guard.open({}, head, 'GET')
    await ward.guard.admit(exchange)
    await exchange.answer(answer)
  }
  return { ward, ask, told }
}

describe('addresses', () => {
  test.each([
    ['whole', '203.0.113.77', '203.0.113.77'],
    ['whole', '::ffff:203.0.113.77', '203.0.113.77'],
    ['whole', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6'],
    ['truncated', '203.0.113.77', '203.0.113.0/24'],
    ['truncated', '::ffff:203.0.113.77', '203.0.113.0/24'],
    ['truncated', '2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['truncated', '::1', '0:0:0::/48'],
    ['hashed', '203.0.113.77', expect.stringMatching(/^[\w-]{12}$/)],
    ['whole', 'fe80::1%eth0', 'fe80::1%eth0'],
    ['whole', '=cmd|calc', 'unknown'],
    ['truncated', 'no address', 'unknown'],
    ['hashed', 'no address', 'unknown'],
    ['none', '203.0.113.77', null],
  ] as const)('%s: %s is recorded as %s', async (ledgerAddresses, address, recorded) => {
    const ledger = createFakeLedger()
    const { ask } = await open({ ledger, ledgerAddresses })
    await ask({}, address)
    expect(ledger.entries).toMatchObject([{ address: recorded }])
  })
})

describe('sinks', () => {
  test('are told of what is durable, and one that throws breaks no request and no other sink', async () => {
    const ledger = createFakeLedger()
    const seen: LedgerEntry[] = []
    const broken = (): never => {
      throw new Error('broken')
    }
    const { ask, told } = await open({ ledger, sinks: [broken, (entry) => seen.push(entry)] })
    await ask()
    expect(seen).toEqual(ledger.entries)
    expect(told).toEqual(['ledger.sink_failed'])
    ledger.fault = new Error('full')
    await expect(ask()).rejects.toMatchObject({ code: 'ledger_unavailable' })
    expect(seen).toHaveLength(1)
  })

  test('without a ledger they are all there is, and no answer waits', async () => {
    const lines: string[] = []
    const { ask } = await open({ sinks: [stdoutSink({ write: (line) => lines.push(line) })] })
    await ask()
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { time: '2026-01-01T00:00:00.000Z', event: 'request.refused', key_id: null, latency_ms: 0 },
    ])
    expect(lines[0]).toMatch(/\n$/)
  })
})

test('a limit in shadow that would have refused tells which request it let in', async () => {
  const told: unknown[] = []
  const { ward } = await open({ onShadow: ({ use }, of) => told.push([use.limit.text, of?.requestId]) })
  const { text } = await ward.keys.create({ name: 'a', limits: ['shadow 1/min', 'shadow 5 tokens/min'] })
  for (const id of ['first', 'second']) {
    const exchange = ward.guard.open({}, headOf({ 'x-api-key': text }), 'GET', id)
    await ward.guard.admit(exchange)
    await exchange.openUsage().take({ tokens: 4 })
  }
  expect(told).toEqual([
    ['1/min', 'second'],
    ['5 tokens/min', 'second'],
  ])
})

test('`after`: no answer waits, and what could not be written is reported', async () => {
  const ledger = createFakeLedger()
  ledger.fault = new Error('full')
  const { ward, told } = await open({ ledger, ledgerMode: 'after' })
  const head = headOf({})
  const exchange = ward.guard.open({}, head, 'GET')
  await ward.guard.admit(exchange)
  expect(exchange.answer(answer)).toBeUndefined()
  await new Promise(setImmediate)
  expect(told).toEqual(['ledger.record_lost'])
})

describe('a flood', () => {
  test('counts each address and code for itself, in each minute, and loses none', async () => {
    const ledger = createFakeLedger()
    const { ward, ask } = await open({ ledger })
    for (let asked = 0; asked < 20; asked += 1) await ask({ 'x-api-key': 'wrong' }, '203.0.113.1')
    for (let asked = 0; asked < 7; asked += 1) await ask({}, '203.0.113.2')
    expect(ledger.entries).toHaveLength(10)
    ward.time.monotonic += 60_000
    await ask({}, '203.0.113.2')
    await ward.close()
    const counts = ledger.entries.filter(({ event }) => event === 'requests.summarized')
    expect(counts).toMatchObject([
      { address: '203.0.113.1', code: 'key_invalid', measures: { refused: 15 } },
      { address: '203.0.113.2', code: 'key_missing', measures: { refused: 2 } },
    ])
    expect(ledger.entries).toHaveLength(13)
  })

  test('one IPv6 network is one address, whose key is right is not in it, and 10,000 more share a count', async () => {
    const ledger = createFakeLedger()
    const { ward, ask } = await open({ ledger })
    const { text } = await ward.keys.create({ name: 'a' })
    ledger.entries.length = 0
    for (let host = 1; host <= 8; host += 1) {
      await ask({}, `2001:db8::${host}`)
      await ask({ 'x-api-key': text }, `2001:db8::${host}`)
    }
    expect(ledger.entries).toHaveLength(13)
    for (let net = 0; net < 10_000; net += 1) await ask({}, `2001:db9:${net.toString(16)}::1`)
    await ward.close()
    const counts = ledger.entries.filter(({ event }) => event === 'requests.summarized')
    const own = ledger.entries.filter(({ event }) => event === 'request.refused')
    expect(counts.find(({ address }) => address === '2001:db8:0:0::/64')?.measures).toEqual({ refused: 3 })
    const counted = counts.reduce((sum, { measures }) => sum + (measures['refused'] ?? 0), 0)
    expect(counted + own.length).toBe(10_008)
    expect(counts.some(({ address }) => address === null)).toBe(true)
  })

  test('of a caller who proved a secret: of each key and code five a minute are recorded, the rest counted, and usage is exact', async () => {
    const ledger = createFakeLedger()
    const { ward, ask } = await open({ ledger })
    const revoked = await ward.keys.create({ name: 'revoked', owner: 'acme' })
    const other = await ward.keys.create({ name: 'other', owner: 'globex', scopes: ['predict'] })
    await ward.keys.revoke(revoked.record.id)
    ledger.entries.length = 0
    for (let asked = 0; asked < 20; asked += 1) await ask({ 'x-api-key': revoked.text }, `203.0.113.${asked}`)
    for (let asked = 0; asked < 7; asked += 1) await askForScope(ward, other.text)
    expect(ledger.entries).toHaveLength(10)
    const lastAt = ward.time.now
    ward.time.now += 30_000
    ward.time.monotonic += 60_000
    await ask()
    await ward.close()
    const counts = ledger.entries.filter(({ event }) => event === 'requests.summarized')
    expect(counts).toMatchObject([
      { keyId: revoked.record.id, owner: 'acme', code: 'key_revoked', at: lastAt, measures: { refused: 15 } },
      {
        keyId: other.record.id,
        owner: 'globex',
        code: 'scope_missing',
        at: lastAt,
        measures: { refused: 2 },
      },
    ])
    const usage = createUsageCounts()
    for (const entry of ledger.entries.filter(({ keyId }) => keyId === revoked.record.id)) {
      const of = usageEntryOf(entry)
      if (of !== undefined) addEntry(usage, of)
    }
    expect(usage).toMatchObject({ requests: 0, refused: new Map([['key_revoked', 20]]), lastUsedAt: lastAt })
  })

  test('a caller who hangs up before the answer is counted as others are', async () => {
    const ledger = createFakeLedger()
    const { ward } = await open({ ledger })
    const { record, text } = await ward.keys.create({ name: 'a' })
    await ward.keys.revoke(record.id)
    ledger.entries.length = 0
    for (let asked = 0; asked < 20; asked += 1) {
      const exchange = ward.guard.open({}, headOf({ 'x-api-key': text }, `203.0.113.${asked}`), 'GET')
      await ward.guard.admit(exchange)
      exchange.abort()
    }
    expect(ledger.entries).toHaveLength(5)
    await ward.close()
    expect(ledger.entries.at(-1)).toMatchObject({ keyId: record.id, measures: { refused: 15 } })
  })

  test('so many keys are counted in a minute, and each refusal of more has its record', async () => {
    const written: LedgerEntry[] = []
    const { telemetry } = collectEvents()
    const time = createTestTime()
    const summary = new RefusalSummary({
      write: async (entry) => void written.push(entry),
      formatAddress: (address) => address ?? null,
      clock: time.clock,
      monotonic: time.clock,
      scheduler: time.scheduler,
      telemetry,
    })
    const ask = (number: number): boolean =>
      summary.shouldRecord({ address: undefined, code: 'x', known: { keyId: `key_${number}`, owner: 'a' } })
    for (let number = 0; number < 8_192; number += 1) expect(ask(number)).toBe(true)
    for (let asked = 0; asked < 50; asked += 1) expect(ask(8_192)).toBe(true)
    for (let asked = 0; asked < 50; asked += 1) ask(0)
    await summary.close()
    expect(written).toMatchObject([{ keyId: 'key_0', measures: { refused: 46 } }])
  })

  test('counts that cannot be written are written later', async () => {
    const ledger = createFakeLedger()
    const { ward, ask, told } = await open({ ledger })
    for (let asked = 0; asked < 9; asked += 1) await ask()
    ledger.fault = new Error('full')
    ward.time.monotonic += 60_000
    await ask().catch(() => {})
    await new Promise(setImmediate)
    expect(told).toEqual(['ledger.summary_late'])
    ledger.fault = undefined
    await ward.close()
    expect(ledger.entries.at(-1)).toMatchObject({ event: 'requests.summarized', measures: { refused: 4 } })
  })
})

test('what a request used: what its limits counted, as it was settled in the end', async () => {
  const ledger = createFakeLedger()
  const { ward } = await open({ ledger, limitDefault: ['100/min', '100 tokens/min', '5 concurrent'] })
  const { text } = await ward.keys.create({ name: 'a' })
  const head = headOf({ 'x-api-key': text })
  const exchange = ward.guard.open({}, head, 'GET')
  const verdict = await ward.guard.admit(exchange, { costs: { tokens: 50 } } as never)
  if (!verdict.admitted) throw verdict.refusal
  await verdict.usage.take({ characters: 12 })
  await verdict.usage.settle({ tokens: 31 })
  await exchange.answer(answer)
  expect(ledger.entries.at(-1)?.measures).toEqual({ requests: 1, tokens: 31, characters: 12 })
})
