import type { SqliteDatabase } from '../database.ts'
import { inTransaction } from '../transaction.ts'

/** What two trees gave did not fit: one of them is damaged, or another process wrote in between. */
export class Torn {
  /** The row that one of them has. */
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  get name(): string {
    return this.#name
  }
}

/**
 * Reads what two trees must agree on. Reads are not of one moment, so that few wait for another:
 * what does not fit is read once more, of one moment.
 *
 * @param onTorn throws; gets the name of the row that one of them has
 */
export function readTwoTrees<Found>(
  database: SqliteDatabase,
  read: () => Found | Torn,
  onTorn: (name: string) => never,
): Found {
  let found = read()
  if (found instanceof Torn && !database.isTransaction()) found = inTransaction(database, read, 'DEFERRED')
  return found instanceof Torn ? onTorn(found.name) : found
}
