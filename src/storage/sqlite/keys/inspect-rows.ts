import { Fault } from '../../../core/fault.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { type Cell, createRowMacs } from '../../../secrets/row-macs.ts'
import { noTelemetry } from '../../../telemetry/telemetry.ts'
import { answerColumns } from '../../keys/answer-row.ts'
import { type BelievedRows, createBelievedRows } from '../../keys/believed-rows.ts'
import { decodeKey, type KeyCells, readColumns } from '../../keys/key-row.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import { inTransaction } from '../transaction.ts'
import { createChangeCounter, hasAllRows } from './change-counter.ts'

/** Whether the rows of a keys' file are those that were written. */
export interface RowsInspection {
  /** Rows that are not, by name; `namedMax` at most. */
  readonly damaged: readonly string[]
  readonly damagedCount: number
  /** Whether none is missing or stands as it was before a later change; undefined: unknown. */
  readonly isWhole: boolean | undefined
  /** Rows that were not looked at, for want of time. */
  readonly unchecked: number
}

const namedMax = 10
/** Longest look at all rows, milliseconds: a million keys are done in it. */
const turnMsMax = 60_000
const rowsAtOnce = 1_000

/** Looks at one row, by its name. */
type Look = (name: string, check: () => void) => void

/**
 * Checks each row under the right peppers. The caller has the file open and reads only.
 *
 * @param turnMs when to leave the rest out. @default a minute
 */
export function inspectRows(
  database: SqliteDatabase,
  peppers: Peppers,
  { turnMs = turnMsMax }: { readonly turnMs?: number } = {},
): RowsInspection {
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

  const deadline = performance.now() + turnMs
  let unchecked = 0
  for (const table of tablesOf(rows, look, hasDisabledBy(database) ? undefined : 'disabled_by'))
    unchecked += lookThrough(database, table, deadline)
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

function hasDisabledBy(database: SqliteDatabase): boolean {
  const count = `SELECT count(*) FROM pragma_table_info('keys') WHERE name = 'disabled_by'`
  return readValue(database, count) === 1
}

/** A table, which is read in the order of one column. */
interface Table {
  readonly name: string
  readonly columns: string
  readonly order: 'place' | 'owner' | 'rowid'
  readonly lookAt: (cells: readonly Cell[]) => void
}

/** @param missing a column of keys that this file does not have yet */
function tablesOf(rows: BelievedRows, look: Look, missing: string | undefined): readonly Table[] {
  return [
    {
      name: 'keys',
      columns: readColumns.map((column) => (column === missing ? 'NULL' : column)).join(', '),
      order: 'place',
      lookAt(cells) {
        const key = cells as unknown as KeyCells
        look(`key ${key[18]}`, () => void decodeKey(rows, key))
      },
    },
    {
      name: 'owners',
      columns: 'owner, version, limits, created_at, updated_at, change, mac',
      order: 'owner',
      lookAt(cells) {
        const [owner] = cells
        look(`owner ${owner}`, () => rows.check('owner', `${owner}`, cells.slice(0, -1), macOf(cells)))
      },
    },
    {
      name: 'answers',
      columns: `${answerColumns}, mac`,
      order: 'rowid',
      lookAt(cells) {
        const [id] = cells
        look(`answer ${id}`, () => rows.check('answer', `${id}`, cells.slice(0, -1), macOf(cells)))
      },
    },
  ]
}

function macOf(cells: readonly Cell[]): Uint8Array | null {
  const mac = cells.at(-1)
  return mac instanceof Uint8Array ? mac : null
}

/** @returns how many rows were left out */
function lookThrough(
  database: SqliteDatabase,
  { name, columns, order, lookAt }: Table,
  deadline: number,
): number {
  const from = `FROM ${name} WHERE ${order} > ?`
  const select = database.prepareCells<readonly Cell[]>(
    `SELECT ${columns}, ${order} ${from} ORDER BY ${order} LIMIT ${rowsAtOnce}`,
  )
  let last: Cell = order === 'owner' ? '' : Number.MIN_SAFE_INTEGER
  for (let found = select.all(last); found.length > 0; found = select.all(last)) {
    for (const cells of found) lookAt(cells.slice(0, -1))
    last = found.at(-1)?.at(-1) ?? null
    if (performance.now() > deadline)
      return Number(database.prepare<{ n: number }>(`SELECT count(*) AS n ${from}`).get(last)?.n ?? 0)
  }
  return 0
}
