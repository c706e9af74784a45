import { statSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { isSigned } from '../../src/ledger/format/checkpoint.ts'
import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import { parseTruncationPoint } from '../../src/ledger/verify/checkpoint-trust.ts'
import { verifyLedger } from '../../src/ledger/verify/verify-ledger.ts'
import type { StreamHead } from '../../src/storage/ledger/block-draft.ts'
import { createBlockTable } from '../../src/storage/sqlite/ledger/block-table.ts'
import {
  openLedgerDatabase,
  openLedgerDatabaseToRead,
} from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { dropOldest } from '../../src/storage/sqlite/ledger/retention.ts'
import { openLedgerBlocks } from '../../src/storage/sqlite/ledger/stored-blocks.ts'
import { inTransaction } from '../../src/storage/sqlite/transaction.ts'
import { firstHash, nextHash, recordsOf } from '../support/ledger-blocks.ts'
import { createSigningKey, ledgerBegin, requestOf } from './ledger.contract.ts'
import { manyOf, openThreads } from './ledger-threads.ts'

/** A block for each, in one transaction: as many commits would take the disk long. */
function writeOneByOne(file: string, entries: readonly LedgerEntry[]): void {
  const database = openLedgerDatabase({ file, busyTimeoutMs: 0 })
  const blocks = createBlockTable(database)
  inTransaction(database, () => {
    let head: StreamHead | undefined = blocks.findHead(1)
    for (const entry of entries) {
      if (head === undefined) throw new Error('there is no stream')
      const draft = blocks.begin(1, head)
      draft.add(encodeEntry(entry))
      head = draft.finish()
    }
  })
  database.close()
}

test('the index finds what a scan finds: within spans, across them, and behind the last', () => {
  const { file, write, maintain, query } = openThreads()
  write(manyOf(40_000))
  const filters = [
    { keyId: 'key_5' },
    { keyId: 'key_976', since: ledgerBegin + 20_000, until: ledgerBegin + 39_000 },
    { owner: 'owner 3', limit: 50 },
    { code: 'rate_limited' },
    { route: '/predict', limit: 10 },
    { keyId: 'key_5', owner: 'owner 1' },
    { keyId: 'nobody' },
  ]
  const ask = (): unknown =>
    filters.flatMap((filter) => [query(filter), query({ ...filter, order: 'oldest' })])
  const scanned = ask()
  // A turn has an end, however much there is to do.
  maintain()
  maintain()
  const database = openLedgerDatabaseToRead(file)
  onTestFinished(() => database.close())
  expect(database.prepare('SELECT count(DISTINCT until) AS spans FROM posting').get()).toEqual({ spans: 2 })
  expect(ask()).toEqual(scanned)
  // Pages that begin in the middle of the index.
  for (const order of ['newest', 'oldest'] as const) {
    const whole = query({ keyId: 'key_7', order }).records
    const after = whole[20]?.position ?? ''
    expect(query({ keyId: 'key_7', order, after }).records).toEqual(whole.slice(21))
  }
  write(manyOf(1_000, 40_000))
  expect(query({ keyId: 'key_5', limit: 1 }).records).toMatchObject([{ requestId: 'r40062' }])
})

test('rows of an unfinished span are no answer', () => {
  const { file, write, maintain, query } = openThreads()
  write(manyOf(20_000))
  const scanned = query({ keyId: 'key_5' })
  const database = openLedgerDatabase({ file, busyTimeoutMs: 0 })
  onTestFinished(() => database.close())
  // As by a process that was killed: block 2 holds the key, and the span would have ended at block
  // 50.
  database
    .prepare('INSERT INTO posting (until, term, blocks) VALUES (?, ?, ?)')
    .run(50, 'key:key_5', Uint8Array.of(2))
  expect(query({ keyId: 'key_5' })).toEqual(scanned)
  maintain()
  expect(query({ keyId: 'key_5' })).toEqual(scanned)
  expect(query({ keyId: 'key_5', order: 'oldest' }).records).toEqual(scanned.records.toReversed())
})

test('one record a commit is indexed too', () => {
  const { file, maintain, query } = openThreads()
  writeOneByOne(file, manyOf(4_100))
  const scanned = query({ keyId: 'key_5' })
  expect(scanned.records).toHaveLength(5)
  maintain()
  const database = openLedgerDatabaseToRead(file)
  onTestFinished(() => database.close())
  expect(database.prepare('SELECT block FROM indexed').get()).toEqual({ block: 4_096 })
  expect(query({ keyId: 'key_5' })).toEqual(scanned)
})

test('what is older than the retention goes from the front in whole blocks, behind a signed base that the rest follows', () => {
  const { file, write, sumUp, maintain, query } = openThreads({ ageMs: 10_000 })
  write(manyOf(40_000))
  sumUp()
  maintain()
  const { dropped } = maintain(ledgerBegin + 30_000)
  expect(dropped?.records).toBeGreaterThan(19_800)
  const records = query({ order: 'oldest', limit: 1 }).records
  expect(records[0]?.at).toBeLessThanOrEqual(ledgerBegin + 20_000)
  expect(records[0]?.at).toBeGreaterThan(ledgerBegin + 20_000 - 128)
  const blocks = openLedgerBlocks(file)
  onTestFinished(() => blocks.close())
  const [stored] = blocks.truncationPoints()
  const base = parseTruncationPoint(JSON.parse(stored?.text ?? 'null'))
  if (base === undefined) throw new Error('there is no base')
  expect(stored?.stream).toBe(base.stream)
  expect(isSigned(base)).toBe(true)
  let seq = base.seq
  let chainHash: Uint8Array = Buffer.from(base.hash, 'hex')
  for (const block of blocks.blocks())
    for (const record of recordsOf(block.body)) {
      seq += 1
      chainHash = nextHash(chainHash, seq, record.entry)
      expect(Buffer.from(record.chainHash)).toEqual(chainHash)
    }
  expect(seq).toBe(40_002)
  expect(firstHash(base.stream)).not.toEqual(Buffer.from(base.hash, 'hex'))
  // A span that is cut through still finds what is left of it; one that is gone as a whole has no
  // rows.
  expect(query({ keyId: 'key_5' }).records.every(({ at }) => at > ledgerBegin + 19_800)).toBe(true)
  expect(query({ keyId: 'key_5' }).records).toHaveLength(20)
  const database = openLedgerDatabaseToRead(file)
  onTestFinished(() => database.close())
  expect(database.prepare('SELECT count(DISTINCT until) AS spans FROM posting').get()).toEqual({ spans: 1 })
})

test('a process that comes too late to drop blocks leaves the base that another has put', () => {
  const { file, write, sumUp, maintain } = openThreads({ ageMs: 10_000 })
  write(manyOf(2_000))
  sumUp()
  const database = openLedgerDatabase({ file, busyTimeoutMs: 0 })
  onTestFinished(() => database.close())
  const now = ledgerBegin + 11_000
  const late = {
    ...database,
    exec(sql: string) {
      if (sql === 'BEGIN IMMEDIATE') maintain(now)
      database.exec(sql)
    },
  }
  const deadline = performance.now() + 60_000
  const retention = { ageMs: 10_000 }
  dropOldest({ database: late, now, retention, signingKey: createSigningKey(), counted: () => 1e9, deadline })
  const blocks = openLedgerBlocks(file)
  onTestFinished(() => blocks.close())
  expect(
    verifyLedger(blocks.blocks(), { truncationPoints: blocks.truncationPoints() }).firstBroken,
  ).toBeUndefined()
})

test('a file over its size drops the oldest and gives the space back, while records go on coming', () => {
  const bytes = 2_000_000
  const { file, write, sumUp, maintain, query } = openThreads({ bytes })
  for (let round = 0; round < 10; round += 1) {
    write(manyOf(10_000, round * 10_000))
    maintain()
  }
  const used = (): number => {
    const database = openLedgerDatabaseToRead(file)
    const pages = database.prepare<{ page_count: number }>('PRAGMA page_count').get()?.page_count ?? 0
    database.close()
    return pages * 4_096
  }
  sumUp()
  for (let turns = 0; turns < 20; turns += 1) maintain()
  expect(used()).toBeLessThanOrEqual(bytes + 500_000)
  expect(query({ limit: 1 }).records).toMatchObject([{ requestId: 'r99999' }])
  expect(query({ order: 'oldest', limit: 1 }).records[0]?.seq).toBeGreaterThan(50_000)
})

test('records of a clock that had leapt ahead go with those around them, and hold up none behind them', () => {
  const { file, write, maintain, query } = openThreads({ ageMs: 10_000 })
  const ahead = 1_000_000_000
  const oneAhead = (number: number) => requestOf({ at: ledgerBegin + ahead, requestId: `ahead${number}` })
  write(manyOf(10))
  // More blocks than are looked at in one go.
  writeOneByOne(
    file,
    Array.from({ length: 100 }, (_, number) => oneAhead(number)),
  )
  expect(maintain(ledgerBegin + 20_000).dropped?.records).toBe(12)
  // Nothing behind them says yet how old they are.
  expect(maintain(ledgerBegin + 20_000).dropped).toBeUndefined()
  writeOneByOne(file, [requestOf({ at: ledgerBegin + 20_000 })])
  expect(maintain(ledgerBegin + 25_000).dropped).toBeUndefined()
  expect(maintain(ledgerBegin + 30_001).dropped?.records).toBe(100)
  expect(query({}).records).toMatchObject([{ seq: 113 }])
})

test('what was dropped is told, though something stood in the way afterwards', () => {
  const { file, write, sumUp } = openThreads()
  write(manyOf(1_000))
  sumUp()
  const database = openLedgerDatabase({ file, busyTimeoutMs: 0 })
  onTestFinished(() => database.close())
  let left = 1
  const exec = (sql: string): void => {
    if (sql === 'BEGIN IMMEDIATE' && left-- === 0) throw new Error('database is locked')
    if (sql.startsWith('PRAGMA incremental_vacuum')) throw new Error('database is locked')
    database.exec(sql)
  }
  const now = ledgerBegin + 1e6
  const signingKey = createSigningKey()
  const drop = () =>
    dropOldest({
      database: { ...database, exec },
      now,
      retention: { ageMs: 1 },
      signingKey,
      counted: () => 1e9,
      deadline: Number.POSITIVE_INFINITY,
    })
  const before = countRecords(file)
  const dropped = drop()
  expect(dropped?.records).toBeGreaterThan(0)
  expect(before - countRecords(file)).toBe(dropped?.records)
  expect(drop).toThrow('database is locked')
})

function countRecords(file: string): number {
  const database = openLedgerDatabaseToRead(file)
  const found = database.prepare<{ records: number }>('SELECT sum(count) AS records FROM block').get()
  database.close()
  return found?.records ?? 0
}

test('the newest block stays however old it is', () => {
  const { write, maintain, query } = openThreads({ ageMs: 1 })
  write(manyOf(1))
  maintain(ledgerBegin + 1e9)
  expect(query({}).records).toMatchObject([{ requestId: 'r0', seq: 3 }])
})

test('the write-ahead log does not grow without a bound', () => {
  const { file, write, maintain } = openThreads()
  for (let round = 0; round < 40; round += 1) {
    write(manyOf(8_000, round * 8_000))
    maintain()
  }
  expect(statSync(file).size).toBeGreaterThan(25_000_000)
  expect(statSync(`${file}-wal`).size).toBeLessThan(16_000_000)
})
