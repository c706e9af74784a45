import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { SqliteDatabase, SqlValue } from '../../src/storage/sqlite/database.ts'
import { openDatabaseToRead } from '../../src/storage/sqlite/driver.ts'
import { openLedgerDatabase } from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { type CheckedUsage, checkUsage } from '../../src/storage/sqlite/ledger/usage/check-usage.ts'
import {
  addBlocks,
  beginUsage,
  fillUsage,
  writeUsage,
} from '../../src/storage/sqlite/ledger/usage/fill-usage.ts'
import { openUsageDatabase, usageFileOf } from '../../src/storage/sqlite/ledger/usage/usage-database.ts'
import { verifyLedgerFile } from '../../src/storage/sqlite/verify-ledger-file.ts'
import { ledgerBegin, requestOf } from './ledger.contract.ts'
import { manyOf, type OpenedThreads, openThreads } from './ledger-threads.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

function openUsage({ file }: Pick<OpenedThreads, 'file'>): SqliteDatabase {
  const usage = openUsageDatabase(file, 0)
  onTestFinished(() => usage.close())
  return usage
}

function check({ file }: Pick<OpenedThreads, 'file'>): CheckedUsage {
  return checkUsage({ ledgerFile: file, isStopped: () => false })
}

function summedUp(count = 3_000): OpenedThreads {
  const threads = openThreads()
  threads.write(manyOf(count))
  threads.sumUp()
  return threads
}

function requestAt(at: number, more: Partial<LedgerEntry> = {}): LedgerEntry {
  return requestOf({ at, measures: { requests: 1, tokens: 7 }, latencyUs: 900, ...more })
}

describe('sums that are those of the records', () => {
  test('are in order, and so is the ledger', async () => {
    const threads = summedUp()
    expect(check(threads)).toEqual({ finding: undefined, notes: [] })
    expect(await verifyLedgerFile(threads.file, {})).toMatchObject({ firstBroken: undefined })
  })

  test('are in order without a roll-up, which is said', () => {
    const threads = openThreads()
    threads.write(manyOf(10))
    const { finding, notes } = check(threads)
    expect(finding).toBeUndefined()
    expect(notes).toEqual([expect.stringContaining('There is no ledger-usage.db')])
  })

  test('are in order while a roll-up is made, which is said', () => {
    const threads = summedUp(1_000)
    threads.write(manyOf(132_000, 1_000))
    const { finding, notes } = check(threads)
    expect(finding).toBeUndefined()
    expect(notes).toEqual([expect.stringContaining('Usage of the last 132000 records is not summed up yet')])
  })

  test('are in order in a copy without a log', () => {
    const { file, ...threads } = summedUp()
    for (const database of [openLedgerDatabase({ file, busyTimeoutMs: 0 }), openUsage({ file })]) {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    }
    const copy = join(createTemporaryFolder(), 'copy.db')
    copyFileSync(file, copy)
    copyFileSync(usageFileOf(file), usageFileOf(copy))
    expect(check({ ...threads, file: copy })).toEqual({ finding: undefined, notes: [] })
  })

  test('are in order beside a process that goes on writing and summing up', async () => {
    const threads = summedUp()
    const checked = verifyLedgerFile(threads.file, {})
    threads.write(manyOf(3_000, 3_000))
    threads.sumUp()
    expect(await checked).toMatchObject({ firstBroken: undefined })
  })

  test('are in order after an end in the middle of summing up', () => {
    const threads = summedUp()
    threads.write(manyOf(500, 3_000))
    const usage = openUsage(threads)
    const ledger = openLedgerDatabase({ file: threads.file, busyTimeoutMs: 0 })
    onTestFinished(() => ledger.close())
    const dying = {
      ...usage,
      exec(sql: string) {
        if (sql === 'COMMIT') throw new Error('killed')
        usage.exec(sql)
      },
    }
    expect(() => fillUsage(dying, ledger)).toThrow('killed')
    expect(check(threads).finding).toBeUndefined()
  })

  test('are in order beyond every bound of a roll-up, however often it was written', () => {
    const threads = openThreads()
    const made = (index: number): LedgerEntry =>
      requestAt(ledgerBegin + index * 1_000, {
        keyId: index % 7 === 0 ? 'key_b' : 'key_a',
        owner: index % 3 === 0 ? 'acme' : null,
        route: `/made/${(index * 31) % 700}`,
        detail: { model: `made ${index % 600}` },
        measures: { requests: 1, [`m${index % 150}`]: index },
      })
    for (let turn = 0; turn < 5; turn += 1) {
      threads.write(Array.from({ length: 1_000 }, (_, index) => made(turn * 1_000 + index)))
      threads.sumUp()
    }
    expect(check(threads)).toEqual({ finding: undefined, notes: [] })
  })

  test('are in order where a row has more measures than are kept apart', () => {
    const threads = openThreads()
    for (let turn = 0; turn < 40; turn += 1) {
      const measures = Array.from({ length: 16 }, (_, index) => [`m${(turn * 11 + index) % 130}`, index + 1])
      threads.write([requestAt(ledgerBegin + turn, { measures: Object.fromEntries(measures) })])
      if (turn % 7 === 0) threads.sumUp()
    }
    threads.sumUp()
    expect(check(threads).finding).toBeUndefined()
  })

  test('are in order where records were dropped, and it is said what was not compared', () => {
    const threads = openThreads({ ageMs: 10_000, usageMs: 400 * dayMs })
    threads.write(Array.from({ length: 3_000 }, (_, index) => requestAt(ledgerBegin + index * 60_000)))
    const { dropped } = threads.maintain(ledgerBegin + 2_000 * 60_000)
    expect(dropped?.records).toBeGreaterThan(1_000)
    const { finding, notes } = check(threads)
    expect(finding).toBeUndefined()
    expect(notes).toEqual([expect.stringContaining('were not compared in full')])
  })
})

describe('sums that are not those of the records', () => {
  const changes: readonly (readonly [name: string, sql: string, says: string])[] = [
    ['a number', 'UPDATE usage SET admitted = 77 WHERE key_id = ?', 'admitted is stored as 77, and 1 by'],
    ['a number of a day', `UPDATE usage SET requests = 7 WHERE key_id = ? AND width = ${dayMs}`, 'day from'],
    ['the last use', 'UPDATE usage SET last_used_at = last_used_at - 1 WHERE key_id = ?', 'last used at'],
    ['a refusal', `UPDATE usage SET refused = '["expired",3]' WHERE key_id = ?`, 'refused with expired'],
    ['a measure', `UPDATE usage SET measures = '["tokens",3]' WHERE key_id = ?`, 'measure tokens'],
    ['no list of measures', `UPDATE usage SET measures = '["tokens"' WHERE key_id = ?`, 'are no list'],
    ['a histogram', `UPDATE usage SET latencies = '11' WHERE key_id = ?`, 'latencies'],
    ['a number that is too large', 'UPDATE usage SET requests = 1 << 60 WHERE key_id = ?', 'cannot be read'],
    ['a missing row', 'DELETE FROM usage WHERE key_id = ?', 'no row is stored, key key_single'],
    [
      'another owner',
      "UPDATE usage SET owner = 'mallory' WHERE key_id = ?",
      'no row is stored, key key_single',
    ],
    [
      'a row too many',
      "INSERT INTO usage SELECT width, bucket, key_id, owner, route, 'm', 0, 0, 0, 0, '', '', '' FROM usage WHERE key_id = ?",
      'a row is stored that no record is of, key key_single',
    ],
    [
      'a row of another hour',
      `INSERT INTO usage SELECT width, bucket + ${dayMs}, key_id, owner, route, model, requests, admitted, operational, last_used_at, refused, measures, latencies FROM usage WHERE key_id = ?`,
      'not which blocks',
    ],
    [
      'a missing hour',
      'DELETE FROM bucket WHERE ? IS NOT NULL AND width < 86400000',
      'no sums are stored of its records',
    ],
    [
      'another hour',
      `INSERT INTO bucket SELECT width, bucket + ${dayMs}, first_block, last_block FROM bucket WHERE ? <> ''`,
      'none is left of it',
    ],
    [
      'the blocks of an hour',
      "UPDATE bucket SET first_block = first_block + 1 WHERE ? <> ''",
      'its records are stored as in blocks',
    ],
    [
      'blocks that were never there',
      "UPDATE bucket SET first_block = 0 WHERE ? <> ''",
      'its records are stored as in blocks 0',
    ],
    ['a missing name', "DELETE FROM name WHERE ? <> ''", 'list of names'],
    ['a position ahead', "UPDATE filled SET block = block + 1 WHERE ? <> ''", 'it goes up to block'],
    ['a position behind', "UPDATE filled SET block = block - 1 WHERE ? <> ''", 'it goes up to block'],
    ['no position', "DELETE FROM filled WHERE ? <> ''", 'cannot be read'],
    ['a position before all', "UPDATE filled SET block = 0 WHERE ? <> ''", 'the sums go up to 0'],
  ]

  test.each(changes)('%s is found', async (_name, sql, says) => {
    const threads = openThreads()
    threads.write(manyOf(3_000))
    threads.write([requestAt(ledgerBegin + 3_000, { keyId: 'key_single' })])
    threads.sumUp()
    openUsage(threads).prepare(sql).run('key_single')
    expect((await verifyLedgerFile(threads.file, {})).firstBroken).toMatchObject({
      kind: 'usage_changed',
      message: expect.stringContaining(says),
    })
  })

  test.each([-1, 1])('a position that was shifted by %i with its hash is found', (shift) => {
    const threads = openThreads()
    for (let number = 0; number < 5; number += 1) threads.write(manyOf(100, number * 100))
    const usage = openUsage(threads)
    const ledger = openLedgerDatabase({ file: threads.file, busyTimeoutMs: 0 })
    onTestFinished(() => ledger.close())
    const held = beginUsage(usage, ledger)
    while (addBlocks(held, ledger, 3));
    writeUsage(usage, held)
    const body = ledger.prepare<{ body: Uint8Array }>('SELECT body FROM block WHERE id = ?').get(3 + shift)
    usage.prepare('UPDATE filled SET block = ?, hash = ?').run(3 + shift, body?.body.slice(-32) ?? null)
    expect(check(threads).finding).toMatchObject({ kind: 'usage_changed' })
  })

  test.each([
    ['a table that was replaced', 'CREATE TRIGGER t AFTER UPDATE ON usage BEGIN DELETE FROM usage; END'],
    ['a column of another name', 'ALTER TABLE filled RENAME COLUMN block TO flock'],
    ['a table of another name', 'ALTER TABLE filled RENAME TO killed'],
  ])('%s is found', (_what, change) => {
    const threads = summedUp()
    openUsage(threads).exec(change)
    expect(check(threads).finding?.message).toContain('its tables are not those')
  })

  test('the first difference has its key, its time and both numbers; others are counted', () => {
    const threads = summedUp()
    openUsage(threads).exec('UPDATE usage SET operational = 5')
    const { finding } = check(threads)
    expect(finding?.message).toMatch(
      /: hour from [-0-9T:.]+Z: operational is stored as 5, and 1 by the records, key key_0, owner owner 0, route .*; 6000 differences in all; remove ledger-usage\.db, and it is made anew from the records$/,
    )
    expect(finding).toMatchObject({
      stream: expect.stringMatching(/^[0-9a-f]{32}$/),
      position: expect.any(String),
    })
  })

  test('less than is left of a partly dropped hour is found, and what to do says what is lost', () => {
    const threads = openThreads({ ageMs: 1 })
    threads.write(manyOf(4_000))
    expect(threads.maintain(ledgerBegin + 3_000).dropped?.records).toBeGreaterThan(1_000)
    expect(check(threads).finding).toBeUndefined()
    openUsage(threads).exec('UPDATE usage SET operational = 0')
    expect(check(threads).finding?.message).toContain('without the records that retention has dropped')
  })

  test('a row whose key was damaged so that it leads back to others is found, and not read for ever', () => {
    const { file, ...threads } = openThreads()
    const keyOf = (index: number): string => `key_${String(index).padStart(4, '0')}`
    threads.write(
      Array.from({ length: 600 }, (_, index) => requestAt(ledgerBegin, { keyId: keyOf(index), owner: null })),
    )
    threads.sumUp()
    openUsage({ file }).exec('PRAGMA wal_checkpoint(TRUNCATE)')
    // The last of the first rows that are read at once.
    const bytes = readFileSync(usageFileOf(file))
    const damaged = bytes.toString('latin1').replaceAll(keyOf(511), keyOf(0))
    writeFileSync(usageFileOf(file), damaged, 'latin1')
    expect(check({ file }).finding).toMatchObject({ kind: 'usage_changed' })
  })

  test('what is broken in the chain is reported first', async () => {
    const threads = summedUp()
    openUsage(threads).exec('UPDATE usage SET operational = 5')
    const ledger = openLedgerDatabase({ file: threads.file, busyTimeoutMs: 0 })
    onTestFinished(() => ledger.close())
    ledger.exec('DELETE FROM block WHERE id = 3')
    expect((await verifyLedgerFile(threads.file, {})).firstBroken).toMatchObject({ kind: 'records_removed' })
  })
})

const someTime = fc.integer({ min: ledgerBegin - 72 * hourMs, max: ledgerBegin + 72 * hourMs })
const someEntry = fc
  .record({
    at: someTime,
    event: fc.constantFrom(
      'request.admitted' as const,
      'request.refused' as const,
      'request.started' as const,
      'requests.summarized' as const,
      'key.updated' as const,
    ),
    keyId: fc.constantFrom('key_a', 'key_b', null),
    owner: fc.constantFrom('acme', 'other', null),
    code: fc.constantFrom('rate_limited', null),
    route: fc.constantFrom('/predict', '/jobs/:id', '😀', '\uffee', null),
    detail: fc.constantFrom(null, { model: 'sentiment' }, { model: 'é' }),
    latencyUs: fc.option(fc.integer({ min: 0, max: 50 })),
    measures: fc.record({ requests: fc.nat(9), characters: fc.nat(99) }, { requiredKeys: [] }),
  })
  .map(requestOf)
const someSteps = fc.array(
  fc.record({
    entries: fc.array(someEntry, { maxLength: 20 }),
    by: fc.constantFrom('one', 'other'),
    sumUp: fc.boolean(),
    maintainAt: fc.option(someTime),
  }),
  { minLength: 1, maxLength: 8 },
)

function play(
  steps: typeof someSteps extends fc.Arbitrary<infer Steps> ? Steps : never,
  keepMs: number,
): OpenedThreads {
  const threads = openThreads({ ageMs: 10 * hourMs, usageMs: keepMs })
  for (const { entries, by, sumUp, maintainAt } of steps) {
    if (by === 'one') threads.write(entries)
    else threads.writeBeside(entries)
    if (sumUp) threads.sumUp()
    if (maintainAt !== null) threads.maintain(maintainAt)
  }
  return threads
}

test('whatever is written, summed up, dropped and kept, with clocks that jump: nothing is found', () => {
  fc.assert(
    fc.property(someSteps, fc.constantFrom(0, hourMs, 400 * dayMs), (steps, keepMs) => {
      expect(check(play(steps, keepMs)).finding).toBeUndefined()
    }),
    { numRuns: 40 },
  )
})

test('of what records are kept of, each change of one number or row is found', () => {
  fc.assert(
    fc.property(
      fc.array(someEntry, { minLength: 1, maxLength: 40 }),
      fc.nat(),
      fc.constantFrom('requests', 'admitted', 'operational', 'last_used_at', 'row', 'key_id', 'route'),
      (entries, which, what) => {
        const threads = openThreads()
        threads.write(entries)
        threads.sumUp()
        const usage = openUsage(threads)
        const rows = usage
          .prepareCells<SqlValue[]>('SELECT width, bucket, key_id, owner, route, model FROM usage')
          .all()
        const row = rows[which % Math.max(rows.length, 1)]
        fc.pre(row !== undefined)
        const place = 'width = ? AND bucket = ? AND key_id = ? AND owner = ? AND route = ? AND model = ?'
        const change = ['key_id', 'route'].includes(what) ? `${what} = 'x'` : `${what} = ${what} + 1`
        usage
          .prepare(
            what === 'row' ? `DELETE FROM usage WHERE ${place}` : `UPDATE usage SET ${change} WHERE ${place}`,
          )
          .run(...row)
        expect(check(threads).finding).toMatchObject({ kind: 'usage_changed' })
      },
    ),
    { numRuns: 40 },
  )
})

test('a flipped bit of the file is found, unless it changes nothing that is stored', () => {
  const { file } = summedUp(60)
  const path = usageFileOf(file)
  const usage = openUsageDatabase(file, 0)
  const contents = (database: SqliteDatabase): unknown =>
    ['usage', 'bucket', 'name', 'filled'].map((table) => database.prepare(`SELECT * FROM ${table}`).all())
  const intact = contents(usage)
  usage.exec('PRAGMA journal_mode = DELETE')
  usage.close()
  const bytes = readFileSync(path)
  const isAsBefore = (): boolean => {
    const changed = openDatabaseToRead(path, { isAlone: true })
    try {
      return isDeepStrictEqual(contents(changed), intact)
    } finally {
      changed.close()
    }
  }
  // Behind the header, which has the version and which program it is of.
  const bits = fc.integer({ min: 100 * 8, max: bytes.length * 8 - 1 })
  fc.assert(
    fc.property(bits, (bit) => {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      writeFileSync(path, flipped)
      const { finding } = check({ file })
      if (finding === undefined) expect(isAsBefore()).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test('rows of kept records outlive the time that rows are kept for, behind a clock that was set back', () => {
  const threads = openThreads({ ageMs: 1_000 * dayMs, usageMs: 0 })
  threads.write([requestAt(ledgerBegin - 3 * dayMs, { keyId: 'key_a' })])
  threads.sumUp()
  const whole = threads.usage({ by: ['key', 'day'] })
  threads.maintain(ledgerBegin)
  expect(threads.usage({ by: ['key', 'day'] })).toEqual(whole)
  expect(check(threads).finding).toBeUndefined()
})
