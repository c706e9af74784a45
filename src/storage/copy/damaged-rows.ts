import { Fault } from '../../core/fault.ts'
import { SetupError } from '../../core/setup-error.ts'

/** A row of a data folder that is not the one that was written. */
export interface DamagedCopyRow {
  /** As a copy calls it: `keys`, `jobs`. */
  readonly table: string
  /** What it holds, for people: `key` and its id. */
  readonly row: string
}

/** Names the rows that are not the ones that were written, and leaves them out. */
export interface RowSieve {
  /**
   * What a row is read as; undefined for one that is damaged, which was found before.
   *
   * @param key of the row in its table
   * @param read throws a Fault for a row that is not the one that was written
   * @throws SetupError `data_corrupt` for one that was in order when all were looked through
   */
  readonly pass: <Read>(
    at: DamagedCopyRow & { readonly key: string | number },
    read: () => Read,
  ) => Read | undefined
  /** Looks through rows: those that are damaged are known from then on. */
  readonly lookThrough: (rows: Iterable<unknown>) => void
  /** Whether a row is damaged, by its key. */
  readonly has: (table: string, key: string | number) => boolean
  /** Keys of the rows of a table that are damaged. */
  readonly keysOf: (table: string) => readonly (string | number)[]
  readonly found: () => readonly DamagedCopyRow[]
}

/** Rows that a message names. */
const namedAtOnce = 100

export function createRowSieve(): RowSieve {
  const found = new Map<string, Map<string | number, DamagedCopyRow>>()
  let isLooking = false

  return {
    pass({ table, row, key }, read) {
      if (found.get(table)?.has(key) === true) return undefined
      try {
        return read()
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        if (!isLooking) throw damagedRows('since the copy began', [{ table, row }])
        const rows = found.get(table) ?? new Map<string | number, DamagedCopyRow>()
        found.set(table, rows.set(key, { table, row }))
        return undefined
      }
    },
    lookThrough(rows) {
      isLooking = true
      try {
        for (const _ of rows);
      } finally {
        isLooking = false
      }
    },
    has: (table, key) => found.get(table)?.has(key) === true,
    keysOf: (table) => [...(found.get(table)?.keys() ?? [])],
    found: () => [...found.values()].flatMap((rows) => [...rows.values()]),
  }
}

/** `key a, owner b and 3 more`. */
function nameDamaged(rows: readonly DamagedCopyRow[]): string {
  const named = rows.slice(0, namedAtOnce).map(({ row }) => row)
  const more = rows.length > named.length ? ` and ${rows.length - named.length} more` : ''
  return `${named.join(', ')}${more}`
}

/** @param where the folder */
export function damagedRows(where: string, rows: readonly DamagedCopyRow[]): SetupError {
  return new SetupError(
    'data_corrupt',
    `${where}: not as they were written: ${nameDamaged(rows)}; restore a backup, or leave ${rows.length === 1 ? 'it' : `these ${rows.length}`} out with --skip-damaged`,
  )
}
