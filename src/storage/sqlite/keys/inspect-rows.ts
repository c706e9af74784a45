import { Fault } from '../../../core/fault.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { createRowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry } from '../../../telemetry/telemetry.ts'
import type { SqliteDatabase } from '../database.ts'
import { inTransaction } from '../transaction.ts'
import { type AnswerCells, answerColumns } from './answer-table.ts'
import { type BelievedRows, createBelievedRows } from './believed-rows.ts'
import { createChangeCounter, hasAllRows } from './change-counter.ts'
import { decodeKey, type KeyCells, readColumns } from './key-row.ts'
import { believedCells, type OwnerRow } from './owner-table.ts'

/** Whether the rows of a keys' file are those that were written. */
export interface RowsInspection {
  /** Rows that are not, by name; `namedMax` at most. */
  readonly damaged: readonly string[]
  readonly damagedCount: number
  /** Whether none is missing or stands as it was before a later change; undefined: unknown. */
  readonly isWhole: boolean | undefined
  /** Keys that were not looked at, for want of time. */
  readonly unchecked: number
}

const namedMax = 10
/** Longest look at keys, milliseconds: a million of them are done in it. */
const turnMs = 60_000
const keysAtOnce = 1_000

/** Checks each row under the right peppers. The caller has the file open and reads only. */
export function inspectRows(database: SqliteDatabase, peppers: Peppers): RowsInspection {
  const rows = createBelievedRows(createRowMacs(peppers), noTelemetry)
  const damaged: string[] = []
  let damagedCount = 0

  function look(name: string, check: () => void): void {
    try {
      check()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      damagedCount += 1
      if (damaged.length < namedMax) damaged.push(name)
    }
  }

  const unchecked = lookAtKeys(database, rows, look)
  for (const row of database.prepare<OwnerRow>('SELECT * FROM owners').all())
    look(`owner ${row.owner}`, () => rows.check('owner', row.owner, believedCells(row), row.mac))
  const answers = database
    .prepareCells<[...AnswerCells, mac: Uint8Array | null]>(`SELECT ${answerColumns}, mac FROM answers`)
    .all()
  for (const [id, digest, sealed, expiresAt, mac] of answers)
    look(`answer ${id}`, () => rows.check('answer', id, [id, digest, sealed, expiresAt], mac))
  let isWhole: boolean | undefined
  look('changes counter', () => {
    // Of one moment: another process may be changing keys.
    isWhole = inTransaction(
      database,
      () => hasAllRows(database, createChangeCounter(database, rows).read()),
      'DEFERRED',
    )
  })
  return { damaged, damagedCount, isWhole, unchecked }
}

/** @returns how many were left out */
function lookAtKeys(
  database: SqliteDatabase,
  rows: BelievedRows,
  look: (name: string, check: () => void) => void,
): number {
  const select = database.prepareCells<[...KeyCells, place: number]>(
    `SELECT ${readColumns.join(', ')}, place FROM keys WHERE place > ? ORDER BY place LIMIT ${keysAtOnce}`,
  )
  const deadline = performance.now() + turnMs
  let last = Number.MIN_SAFE_INTEGER
  for (let found = select.all(last); found.length > 0; found = select.all(last)) {
    for (const cells of found) {
      const { length } = cells
      look(`key ${cells[17]}`, () => void decodeKey(rows, cells.slice(0, length - 1) as unknown as KeyCells))
      last = Number(cells[length - 1])
    }
    if (performance.now() > deadline)
      return (
        database.prepare<{ n: number }>('SELECT count(*) AS n FROM keys WHERE place > ?').get(last)?.n ?? 0
      )
  }
  return 0
}
