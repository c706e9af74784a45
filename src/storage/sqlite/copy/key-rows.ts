import { type CopiedRow, ownSettings } from '../../copy/copied-tables.ts'
import type { RowSieve } from '../../copy/damaged-rows.ts'
import { answerColumns, type CheckedAnswerCells, decodeAnswer, encodeAnswer } from '../../keys/answer-row.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import { decodeKey, encodeKey, type KeyCells, macOfKey, readColumns } from '../../keys/key-row.ts'
import { believedCells, decodeOwner, type OwnerRow } from '../../keys/owner-row.ts'
import type { SqliteDatabase, SqlValue } from '../database.ts'
import { createChangeCounter } from '../keys/change-counter.ts'
import { createPages } from './page-rows.ts'
import type { RowReaders } from './row-readers.ts'

const rowsAtOnce = 500

/** The rows of `modelward.db`, each as far as its MAC says that it is the one that was written. */
export function keyRows(database: SqliteDatabase, rows: BelievedRows, sieve: RowSieve): RowReaders {
  const settings = createPages<[string, string]>(database, {
    ...{ columns: ['name', 'value'], keyColumns: 1, from: 'settings', rowsAtOnce },
    where: `name <> '${ownSettings.source}'`,
  })
  const keys = createPages<[string, ...KeyCells]>(database, {
    ...{ columns: ['id', ...readColumns], keyColumns: 1, from: 'keys', rowsAtOnce },
  })
  const digests = createPages<[Uint8Array, string]>(database, {
    ...{ columns: ['digest', 'key_id'], keyColumns: 1, from: 'imported_digests', rowsAtOnce },
  })
  const owners = createPages<OwnerCells>(database, {
    columns: ['owner', 'version', 'limits', 'created_at', 'updated_at', 'change', 'mac'],
    ...{ keyColumns: 1, from: 'owners', rowsAtOnce },
  })
  const answers = createPages<CheckedAnswerCells>(database, {
    ...{ columns: [...answerColumns.split(', '), 'mac'], keyColumns: 1, from: 'answers', rowsAtOnce: 4 },
  })
  return {
    settings,
    *keys(after) {
      for (const [id, ...cells] of keys(after))
        yield* passed(sieve, ['keys', 'key', id], () => keyRow(rows, cells))
    },
    *imported_digests(after) {
      for (const row of digests(after)) if (!sieve.has('keys', row[1])) yield row
    },
    *owners(after) {
      for (const cells of owners(after))
        yield* passed(sieve, ['owners', 'owner', cells[0]], () => ownerRow(rows, cells))
    },
    *answers(after) {
      for (const cells of answers(after))
        yield* passed(sieve, ['answers', 'answer', cells[0]], () =>
          encodeAnswer(rows, decodeAnswer(rows, cells)),
        )
    },
    *changes(after) {
      if (after !== undefined) return
      const { latest, total: all } = createChangeCounter(database, rows).read()
      // The sum of the numbers in all rows that come along.
      const total = all - sumOfChanges(database, sieve)
      yield [1, latest, total, rows.macOf('changes', [latest, total])]
    },
  }
}

/** A row that is read as it was written, or none. */
function* passed(
  sieve: RowSieve,
  [table, title, key]: readonly [table: string, title: string, key: string],
  read: () => CopiedRow,
): Generator<CopiedRow> {
  const row = sieve.pass({ table, row: `${title} ${key}`, key }, read)
  if (row !== undefined) yield row
}

/** The sum of the numbers in the rows that are left out. */
function sumOfChanges(database: SqliteDatabase, sieve: RowSieve): number {
  let sum = 0
  for (const [table, column] of [
    ['keys', 'id'],
    ['owners', 'owner'],
  ] as const) {
    const find = database.prepareCells<[number]>(`SELECT change FROM ${table} WHERE ${column} = ?`)
    for (const key of sieve.keysOf(table)) sum += find.get(key)?.[0] ?? 0
  }
  return sum
}

/** Written anew, with its own number and uses: a MAC is of what is written. */
function keyRow(rows: BelievedRows, cells: KeyCells): readonly SqlValue[] {
  const written = encodeKey(decodeKey(rows, cells))
  const change = cells[20]
  const others = written.slice(0, -1)
  return [written[18], ...others, cells[19], change, macOfKey(rows, written, change)]
}

type OwnerCells = readonly [string, number, string, number, number, number, Uint8Array | null]

function ownerRow(rows: BelievedRows, cells: OwnerCells): readonly SqlValue[] {
  const [owner, version, limits, created_at, updated_at, change, mac] = cells
  const row: OwnerRow = { owner, version, limits, created_at, updated_at, change, mac }
  rows.check('owner', owner, believedCells(row), mac)
  decodeOwner(row)
  return [owner, version, limits, created_at, updated_at, change, rows.macOf('owner', believedCells(row))]
}
