import { rmSync } from 'node:fs'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { UsageQuery } from '../../src/ledger/ledger.ts'
import { readValue, type SqliteDatabase } from '../../src/storage/sqlite/database.ts'
import {
  openLedgerDatabase,
  openLedgerDatabaseToRead,
} from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { fillUsage } from '../../src/storage/sqlite/ledger/usage/fill-usage.ts'
import { openUsageDatabase, usageFileOf } from '../../src/storage/sqlite/ledger/usage/usage-database.ts'
import { createUsageKeeper } from '../../src/storage/sqlite/ledger/usage/usage-keeper.ts'
import { addUp, ledgerBegin, requestOf } from './ledger.contract.ts'
import { maintainAnew, manyOf, type OpenedThreads, openThreads } from './ledger-threads.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const groups = ['key', 'owner', 'route', 'model', 'day', 'month'] as const
const everything: UsageQuery = { by: groups }
// A clock that was set back or ahead too: times in any order, hours and days apart.
const times = fc.integer({ min: ledgerBegin - 72 * hourMs, max: ledgerBegin + 72 * hourMs })

const entries = fc.array(
  fc
    .record({
      at: times,
      event: fc.constantFrom(
        'request.admitted' as const,
        'request.refused' as const,
        'request.started' as const,
        'request.finished' as const,
        'requests.summarized' as const,
        'key.updated' as const,
      ),
      keyId: fc.constantFrom('key_a', 'key_b', null),
      owner: fc.constantFrom('acme', 'other', null),
      code: fc.constantFrom('rate_limited', null),
      route: fc.constantFrom('/predict', '/jobs/:id', null),
      detail: fc.constantFrom(null, { model: 'sentiment' }, { model: 'é', aborted: true }),
      latencyUs: fc.option(fc.integer({ min: 0, max: 50 })),
      measures: fc.record({ requests: fc.nat(9), characters: fc.nat(99) }, { requiredKeys: [] }),
    })
    .map(requestOf),
  { maxLength: 30 },
)

const queries: fc.Arbitrary<UsageQuery> = fc.record(
  {
    by: fc.subarray([...groups]),
    keyId: fc.constantFrom('key_a', 'key_c'),
    owner: fc.constantFrom('acme'),
    since: times,
    until: times,
  },
  { requiredKeys: ['by'] },
)

const steps = fc.array(
  fc.record({
    entries,
    by: fc.constantFrom('one', 'other'),
    sumsUp: fc.constantFrom('none', 'maintenance', 'another process'),
  }),
  { maxLength: 8 },
)

function openFiles({ file }: OpenedThreads): Record<'usage' | 'ledger', SqliteDatabase> {
  const usage = openUsageDatabase(file, 0)
  const ledger = openLedgerDatabase({ file, busyTimeoutMs: 0 })
  onTestFinished(() => {
    usage.close()
    ledger.close()
  })
  return { usage, ledger }
}

/** A connection where something happens before a statement. */
function interrupted(database: SqliteDatabase, sql: string, happens: () => void): SqliteDatabase {
  return {
    ...database,
    exec(executed: string) {
      if (executed === sql) happens()
      database.exec(executed)
    },
  }
}

test('usage is the plain sum of the records, whatever is summed up, written or held, by whom', () => {
  fc.assert(
    fc.property(steps, fc.array(queries, { minLength: 1, maxLength: 5 }), (all, asked) => {
      const threads = openThreads()
      for (const { entries: some, by, sumsUp } of all) {
        if (by === 'one') threads.write(some)
        else threads.writeBeside(some)
        if (sumsUp === 'maintenance') threads.maintain()
        if (sumsUp === 'another process') threads.sumUp()
        const { records } = threads.query({ order: 'oldest' })
        for (const query of asked) {
          const sum = addUp(records, query)
          expect(threads.usage(query)).toEqual(sum)
          expect(threads.usageBeside(query)).toEqual(sum)
        }
      }
    }),
    { numRuns: 40 },
  )
})

test('an end in the middle of summing up counts nothing twice, and loses nothing', () => {
  const threads = openThreads()
  threads.write(manyOf(3_000))
  threads.sumUp()
  threads.write(manyOf(500, 3_000))
  const whole = threads.usage(everything)
  const { usage, ledger } = openFiles(threads)
  const dying = interrupted(usage, 'COMMIT', () => {
    throw new Error('killed')
  })
  expect(() => fillUsage(dying, ledger)).toThrow('killed')
  expect(threads.usage(everything)).toEqual(whole)
  threads.sumUp()
  expect(threads.usage(everything)).toEqual(whole)
})

test('of two processes that sum up the same records, one counts', () => {
  const threads = openThreads()
  threads.sumUp()
  threads.write(manyOf(500))
  const whole = threads.usage(everything)
  const { usage, ledger } = openFiles(threads)
  fillUsage(
    interrupted(usage, 'BEGIN IMMEDIATE', () => threads.sumUp()),
    ledger,
  )
  expect(threads.usage(everything)).toEqual(whole)
})

test('what one process holds counts for nothing once another has written it', () => {
  const threads = openThreads()
  threads.maintain()
  threads.write(manyOf(500))
  threads.maintain()
  const held = threads.heldUsage(everything)
  expect(held?.rows).not.toHaveLength(0)
  threads.sumUp()
  expect(threads.usage(everything, held)).toEqual(threads.usage(everything))
})

test('what is held is not read from the records again, and is written at the end', () => {
  const threads = openThreads()
  threads.maintain()
  for (let block = 0; block < 10; block += 1) threads.write(manyOf(100, 100 * block))
  threads.maintain()
  const whole = threads.usage(everything)
  openFiles(threads).ledger.exec('DELETE FROM block WHERE id < (SELECT max(id) FROM block)')
  expect(threads.usage(everything)).not.toEqual(whole)
  expect(threads.usageBeside(everything)).toEqual(whole)
  threads.endMaintenance()
  expect(threads.usage(everything)).toEqual(whole)
})

test('however many keys are used, a bounded number of rows is held', () => {
  const threads = openThreads()
  threads.maintain()
  const each = Array.from({ length: 40_000 }, (_, number) => requestOf({ keyId: `key_${number}` }))
  threads.write(each)
  threads.maintain()
  expect(threads.heldUsage(everything)?.rows.length ?? 0).toBeLessThan(32_768)
  expect(threads.usageBeside({ by: ['key'] })).toHaveLength(each.length)
})

test('a turn that has no time left writes what it has made full', () => {
  const threads = openThreads()
  threads.write(Array.from({ length: 80_000 }, (_, number) => requestOf({ keyId: `key_${number}` })))
  const keeper = createUsageKeeper(threads.file)
  const ledger = openLedgerDatabaseToRead(threads.file)
  onTestFinished(() => {
    keeper.close()
    ledger.close()
  })
  // The first turn writes all that it has.
  keeper.fill(ledger, 0)
  const held = Array.from({ length: 20 }, () => {
    keeper.fill(ledger, 0)
    return keeper.held(everything)?.rows.length ?? 0
  })
  expect(Math.max(...held)).toBeLessThan(32_768)
})

test('no commit of the ledger waits while usage is written', () => {
  const threads = openThreads()
  threads.write(manyOf(3_000))
  const { usage, ledger } = openFiles(threads)
  fillUsage(
    interrupted(usage, 'COMMIT', () => threads.write(manyOf(1, 3_000))),
    ledger,
  )
  expect(threads.query({ limit: 1 }).records).toMatchObject([{ requestId: 'r3000' }])
  expect(threads.usage({ by: [] })).toMatchObject([{ operational: 3_001 }])
})

test('deleted, also while it is in use, the sums are made anew from the records', () => {
  const threads = openThreads()
  threads.write(manyOf(1_000))
  threads.maintain()
  const whole = threads.usage(everything)
  const remove = (): void => {
    for (const end of ['', '-wal', '-shm']) rmSync(`${usageFileOf(threads.file)}${end}`, { force: true })
  }
  remove()
  expect(threads.usage(everything)).toEqual(whole)
  threads.maintain()
  expect(threads.usage(everything)).toEqual(whole)
  remove()
  maintainAnew(threads.file)
  expect(threads.usage(everything)).toEqual(whole)
})

test.each(["hash = x'00'", 'block = 1000'])(
  'sums of another ledger, as beside a backup that was put back, count for nothing: %s',
  (set) => {
    const threads = openThreads()
    threads.write(manyOf(1_000))
    threads.maintain()
    const whole = threads.usage(everything)
    openFiles(threads).usage.exec(`UPDATE usage SET requests = 77; UPDATE filled SET ${set}`)
    expect(threads.usage(everything)).toEqual(whole)
    threads.maintain()
    expect(threads.usage(everything)).toEqual(whole)
  },
)

test.each(['route', 'model'] as const)(
  'of each %s beyond 500 usage is counted as other, and none of it is lost',
  (kind) => {
    const threads = openThreads()
    const admitted = (index: number): LedgerEntry =>
      requestOf({
        keyId: `key_${index}`,
        route: kind === 'route' ? `/made/${index}` : null,
        detail: kind === 'model' ? { model: `made ${index}` } : null,
        measures: { requests: 1 },
      })
    threads.write(Array.from({ length: 700 }, (_, index) => admitted(index)))
    threads.maintain()
    const rows = threads.usage({ by: [kind] })
    expect(rows).toHaveLength(501)
    expect(rows.find((row) => row[kind] === 'other')).toMatchObject({ requests: 200, admitted: 200 })
    expect(threads.usage({ by: [] })).toMatchObject([{ requests: 700 }])
  },
)

test('routes that programs name as they ask about keys leave room for the routes that there are', () => {
  const threads = openThreads()
  const admitted = (route: string): LedgerEntry => requestOf({ route, measures: { requests: 1 } })
  threads.write(Array.from({ length: 700 }, (_, index) => admitted(`verify GET /user/${index}`)))
  threads.maintain()
  threads.write([admitted('/predict')])
  threads.maintain()
  const rows = threads.usage({ by: ['route'] })
  expect(rows.find(({ route }) => route === '/predict')?.requests).toBe(1)
  expect(rows.find(({ route }) => route === 'other')?.requests).toBe(450)
})

test('a key has at most 1,000 rows and one more in an hour, and none of its usage is lost', () => {
  const threads = openThreads()
  const admitted = (index: number): LedgerEntry =>
    requestOf({
      route: `/${index % 100}`,
      detail: { model: `${Math.floor(index / 100)}` },
      measures: { requests: 1 },
    })
  threads.write(Array.from({ length: 1_200 }, (_, index) => admitted(index)))
  threads.maintain()
  const rows = threads.usage({ by: ['route', 'model'] })
  expect(rows).toHaveLength(1_001)
  expect(rows.find(({ route }) => route === 'other')).toMatchObject({ model: 'other', requests: 200 })
})

test('usage outlives the records it was summed up from, by as long as it shall', () => {
  const threads = openThreads({ ageMs: 10_000, usageMs: 400 * dayMs })
  threads.write(manyOf(4_000))
  const whole = threads.usage(everything)
  const { dropped } = threads.maintain(ledgerBegin + 1e6)
  expect(dropped?.records).toBeGreaterThan(1_000)
  expect(threads.usage(everything)).toEqual(whole)
  threads.write([requestOf({ at: ledgerBegin + 399 * dayMs })])
  threads.write([requestOf({ at: ledgerBegin + 402 * dayMs })])
  for (let turns = 0; turns < 4; turns += 1) threads.maintain(ledgerBegin + 399 * dayMs + 1e6)
  expect(threads.usage(everything)).toHaveLength(whole.length + 2)
  for (let turns = 0; turns < 4; turns += 1) threads.maintain(ledgerBegin + 402 * dayMs)
  expect(threads.usage(everything)).toHaveLength(2)
})

test('usage that shall be kept for ever is', () => {
  const threads = openThreads({ ageMs: 10_000 })
  threads.write(manyOf(4_000))
  threads.write([requestOf({ at: ledgerBegin + 4_000 * dayMs })])
  const whole = threads.usage(everything)
  for (let turns = 0; turns < 4; turns += 1) threads.maintain(ledgerBegin + 4_000 * dayMs)
  expect(threads.usage(everything)).toEqual(whole)
})

test('records that no usage counts yet are not dropped', () => {
  const threads = openThreads({ ageMs: 1 })
  threads.write(manyOf(100))
  threads.maintain()
  threads.write(manyOf(100, 100))
  threads.write(manyOf(1, 200))
  const whole = threads.usage(everything)
  const { usage, ledger } = openFiles(threads)
  const oldest = (): unknown => readValue(ledger, 'SELECT min(id) FROM block')
  const before = oldest()
  usage.exec('BEGIN IMMEDIATE')
  expect(() => threads.maintain(ledgerBegin + 1e9)).toThrow('locked')
  expect(oldest()).toBe(before)
  usage.exec('ROLLBACK')
  threads.maintain(ledgerBegin + 1e9)
  expect(oldest()).not.toBe(before)
  expect(threads.usage(everything)).toEqual(whole)
})
