import { describe, expect, onTestFinished, test } from 'vitest'
import { type LedgerVerification, verifyLedger } from '../../src/ledger/verify/verify-ledger.ts'
import { decodeIds, encodeIds } from '../../src/storage/ledger/segment-postings.ts'
import type { SqliteDatabase } from '../../src/storage/sqlite/database.ts'
import { fillIndex } from '../../src/storage/sqlite/ledger/index/postings.ts'
import { openLedgerDatabase } from '../../src/storage/sqlite/ledger/ledger-database.ts'
import { openLedgerBlocks } from '../../src/storage/sqlite/ledger/stored-blocks.ts'
import { ledgerBegin } from './ledger.contract.ts'
import { manyOf, type OpenedThreads, openThreads } from './ledger-threads.ts'

function openIndexed(): OpenedThreads {
  const threads = openThreads({ ageMs: 1e9 })
  threads.write(manyOf(40_000))
  threads.maintain()
  return threads
}

function openToWrite(file: string): SqliteDatabase {
  const database = openLedgerDatabase({ file, busyTimeoutMs: 0 })
  onTestFinished(() => database.close())
  return database
}

function verify(file: string): LedgerVerification {
  const ledger = openLedgerBlocks(file)
  try {
    return verifyLedger(ledger.blocks(), {
      truncationPoints: ledger.truncationPoints(),
      index: ledger.checkIndex(),
    })
  } finally {
    ledger.close()
  }
}

interface Posting {
  readonly until: number
  readonly blocks: Uint8Array
}

/** The row of a key in the first span. */
function postingOf(database: SqliteDatabase, term: string): Posting & { readonly ids: readonly number[] } {
  const row = database
    .prepare<Posting>('SELECT until, blocks FROM posting WHERE term = ? ORDER BY until')
    .get(term)
  if (row === undefined) throw new Error('there is no such row')
  return { ...row, ids: decodeIds(row.blocks) }
}

function putIds(
  database: SqliteDatabase,
  term: string,
  ids: (before: readonly number[]) => readonly number[],
): void {
  const row = postingOf(database, term)
  database
    .prepare('UPDATE posting SET blocks = ? WHERE term = ? AND until = ?')
    .run(encodeIds(ids(row.ids)), term, row.until)
}

describe('an untouched index', () => {
  test('is in order: whole, and behind a retention that cut a span through', () => {
    const { file, maintain } = openIndexed()
    expect(verify(file)).toMatchObject({ records: 40_002, firstBroken: undefined })
    for (const seconds of [1e6 + 5, 1e6 + 20, 1e6 + 38]) {
      expect(maintain(ledgerBegin + seconds * 1_000).dropped?.records).toBeGreaterThan(0)
      expect(verify(file).firstBroken).toBeUndefined()
    }
  })
})

describe('an index that was tampered with', () => {
  const key = 'key:key_5'
  const tampers: readonly (readonly [string, (database: SqliteDatabase) => void])[] = [
    ['a row is removed', (database) => database.prepare('DELETE FROM posting WHERE term = ?').run(key)],
    ['a block is removed from a row', (database) => putIds(database, key, (ids) => ids.slice(1))],
    ['the last block is removed from a row', (database) => putIds(database, key, (ids) => ids.slice(0, -1))],
    [
      'another block is put in its place',
      (database) => putIds(database, key, ([id = 0, ...ids]) => [id + 1, ...ids]),
    ],
    ['a block is named twice', (database) => putIds(database, key, ([id = 0, ...ids]) => [id, id, ...ids])],
    ['a block of another span is named', (database) => putIds(database, key, (ids) => [...ids, 310])],
    [
      'rows stand in a span that does not exist',
      (database) =>
        void database.prepare('INSERT INTO posting VALUES (?, ?, ?)').run('key:nobody', 7, encodeIds([3])),
    ],
    [
      'a span is removed',
      (database) => database.exec('DELETE FROM posting WHERE until = (SELECT max(until) FROM posting)'),
    ],
    [
      'a span is put further on',
      (database) =>
        database.exec('UPDATE posting SET until = until + 1 WHERE until = (SELECT min(until) FROM posting)'),
    ],
    [
      'it claims to reach to the end',
      (database) => database.exec('UPDATE indexed SET block = (SELECT max(id) FROM block)'),
    ],
    ['it claims blocks that are to come', (database) => database.exec('UPDATE indexed SET block = 9999')],
    [
      'its table is made anew without what keeps its rows apart, and an empty row hides the real one',
      (database) =>
        database.exec(`
          CREATE TABLE other (term TEXT, until INTEGER, blocks BLOB);
          INSERT INTO other SELECT DISTINCT '${key}', until, x'' FROM posting;
          INSERT INTO other SELECT term, until, blocks FROM posting;
          DROP TABLE posting;
          ALTER TABLE other RENAME TO posting;
          CREATE INDEX posting_order ON posting (until, term)`),
    ],
    [
      'a view stands in its place',
      (database) =>
        database.exec(`
          ALTER TABLE posting RENAME TO other;
          CREATE VIEW posting AS SELECT * FROM other WHERE term <> '${key}'`),
    ],
    [
      'a trigger waits for the next row',
      (database) =>
        database.exec(
          'CREATE TRIGGER quiet AFTER INSERT ON posting BEGIN DELETE FROM posting WHERE term = new.term; END',
        ),
    ],
    ['all of it is removed but for its claim', (database) => database.exec('DELETE FROM posting')],
  ]
  test.each(tampers)('is found where %s', (_, tamper) => {
    const { file } = openIndexed()
    tamper(openToWrite(file))
    expect(verify(file).firstBroken).toMatchObject({ kind: 'index_changed' })
  })

  test('names the first record that queries miss, and by what', () => {
    const { file, query } = openIndexed()
    const [record] = query({ keyId: 'key_5', order: 'oldest', limit: 1 }).records
    const database = openToWrite(file)
    database.prepare('DELETE FROM posting WHERE term = ?').run(key)
    expect(verify(file).firstBroken).toMatchObject({
      seq: record?.seq,
      position: record?.position,
      message: expect.stringContaining(`record ${record?.seq} is in order, and queries by its key miss it`),
    })
  })

  test('that is gone and says so is no matter: queries read the blocks', () => {
    const { file } = openIndexed()
    const database = openToWrite(file)
    database.exec('DELETE FROM posting; UPDATE indexed SET block = 0')
    expect(verify(file).firstBroken).toBeUndefined()
  })
})

describe('several processes that fill it', () => {
  /**
   * Has another process do something before the statement, the so manieth that begins like this, is
   * prepared or run.
   */
  function interrupted(
    database: SqliteDatabase,
    begins: string,
    turn: number,
    other: () => void,
  ): SqliteDatabase {
    let come = 0
    const pass = (sql: string): void => {
      if (sql.startsWith(begins) && come++ === turn) other()
    }
    return {
      ...database,
      prepare(sql) {
        pass(sql)
        return database.prepare(sql)
      },
      exec(sql) {
        pass(sql)
        database.exec(sql)
      },
    }
  }

  test.each([
    ['SELECT body', 0],
    ['BEGIN IMMEDIATE', 0],
    ['BEGIN IMMEDIATE', 1],
    ['BEGIN IMMEDIATE', 2],
  ] as const)(
    'leave no row that counts and is not right, whenever one overtakes the other (%s, %i)',
    (begins, turn) => {
      const { file, write, query } = openThreads()
      write(manyOf(40_000))
      const scanned = query({ keyId: 'key_5' })
      const [one, other] = [openToWrite(file), openToWrite(file)]
      fillIndex(
        interrupted(one, begins, turn, () => {
          while (fillIndex(other));
        }),
      )
      while (fillIndex(one));
      expect(query({ keyId: 'key_5' })).toEqual(scanned)
      expect(verify(file).firstBroken).toBeUndefined()
    },
  )

  test('leave no rows of a span that retention shortened meanwhile', () => {
    const { file, write, maintain, query } = openThreads({ ageMs: 10_000 })
    write(manyOf(40_000))
    const one = openToWrite(file)
    fillIndex(
      interrupted(one, 'BEGIN IMMEDIATE', 1, () => {
        // Blocks go from the front, so that the span of another ends further on.
        maintain(ledgerBegin + 15_000)
      }),
    )
    while (fillIndex(one));
    const found = query({ keyId: 'key_5' }).records
    expect(new Set(found.map(({ position }) => position)).size).toBe(found.length)
    expect(verify(file).firstBroken).toBeUndefined()
  })

  test('go on where one was killed within a span that retention has cut since', () => {
    const { file, write, query } = openThreads()
    write(manyOf(20_000))
    const database = openToWrite(file)
    fillIndex(database)
    const { until } = postingOf(database, 'key:key_5')
    // As if it had been killed before the end: the rows are there, one more than its blocks hold by
    // now.
    database.exec('UPDATE indexed SET block = 0')
    database.prepare('INSERT INTO posting VALUES (?, ?, ?)').run('key:gone', until, encodeIds([1]))
    for (let turns = 0; turns < 3; turns += 1) fillIndex(database)
    expect(database.prepare('SELECT block FROM indexed').get()).toEqual({ block: until })
    expect(verify(file).firstBroken).toBeUndefined()
    expect(query({ keyId: 'key_5' }).records.length).toBeGreaterThan(0)
  })
})
