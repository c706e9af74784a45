import { Fault } from '../../../core/fault.ts'
import type { KeyRecord } from '../../../keys/key-record.ts'
import type { SqliteDatabase } from '../database.ts'
import { createImportedDigestTable } from './imported-digest-table.ts'
import { neighboursMax, placeOf } from './key-place.ts'
import { decodeKey, encodeKey, type KeyCells, keyColumns } from './key-row.ts'
import { nextChange } from './next-change.ts'

/** The keys and the digests of imported ones, without transactions or error handling of their own. */
export interface KeyTable {
  readonly find: (id: string) => KeyRecord | undefined
  /** The key of the first digest that has one. */
  readonly findImported: (digests: readonly Uint8Array[]) => KeyRecord | undefined
  /** Whether the key's id, or a digest of an imported key, is there already. */
  readonly isTaken: (key: KeyRecord) => boolean
  readonly add: (key: KeyRecord) => void
  /** Replaces the key of the version before; false where there is none. */
  readonly replace: (key: KeyRecord) => boolean
}

export function createKeyTable(database: SqliteDatabase): KeyTable {
  const columns = keyColumns.join(', ')
  const marks = keyColumns.map(() => '?').join(', ')
  const assignments = keyColumns.slice(0, -1).map((column) => `${column} = ?`)
  // The plus keeps SQLite from the index on ids: see key-place.ts.
  const select = database.prepareCells<KeyCells>(
    `SELECT ${columns} FROM keys WHERE place BETWEEN ? AND ? AND +id = ?`,
  )
  const insert = database.prepare(
    `INSERT INTO keys (${columns}, place, change) VALUES (${marks}, ?, ${nextChange})`,
  )
  const update = database.prepare(
    `UPDATE keys SET ${assignments.join(', ')}, change = ${nextChange} WHERE id = ? AND version = ?`,
  )
  const findFreePlace = createPlaceFinder(database)
  const digests = createImportedDigestTable(database)

  function find(id: string): KeyRecord | undefined {
    const place = placeOf(id)
    const cells = select.get(place, place + neighboursMax - 1, id)
    return cells === undefined ? undefined : decodeKey(cells)
  }

  return {
    find,
    findImported: (candidates) => {
      for (const digest of candidates) {
        const id = digests.findKeyId(digest)
        if (id !== undefined) return find(id)
      }
      return undefined
    },
    isTaken: (key) =>
      find(key.id) !== undefined ||
      (key.imported && key.secrets.some(({ digest }) => digests.findKeyId(digest) !== undefined)),
    add: (key) => {
      insert.run(...encodeKey(key), findFreePlace(key.id))
      digests.put(key)
    },
    replace: (key) => {
      if (Number(update.run(...encodeKey(key), key.version - 1).changes) === 0) return false
      digests.put(key)
      return true
    },
  }
}

function createPlaceFinder(database: SqliteDatabase): (id: string) => number {
  const select = database.prepare<{ place: number }>('SELECT place FROM keys WHERE place BETWEEN ? AND ?')
  return (id) => {
    const first = placeOf(id)
    const taken = new Set(select.all(first, first + neighboursMax - 1).map((row) => row.place))
    for (let place = first; place < first + neighboursMax; place += 1) if (!taken.has(place)) return place
    throw new Fault('internal', `key ${id}: no place is left for ids that hash alike`)
  }
}
