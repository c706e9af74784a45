import { Fault } from '../../../core/fault.ts'
import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type { KeyUse } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { NextChange } from '../../keys/change-numbers.ts'
import { nameOfDigest } from '../../keys/key-digests.ts'
import { decodeKey, encodeKey, type KeyCells, keyColumns, macOfKey, readColumns } from '../../keys/key-row.ts'
import type { OwnerKeysCount } from '../../keys/owner-keys.ts'
import type { SqliteDatabase } from '../database.ts'
import { readTwoTrees, Torn } from './read-two-trees.ts'

/** Keys, and the digests of imported ones. The caller brings the transaction. */
export interface KeyTable {
  readonly find: (id: string) => KeyRecord | undefined
  /** The key of the first digest that has one. */
  readonly findImported: (digests: readonly Uint8Array[]) => KeyRecord | undefined
  /** Whether the key's id, or the digest of an imported key, exists. */
  readonly isTaken: (key: KeyRecord) => boolean
  readonly add: (key: KeyRecord, next: NextChange) => void
  /** Replaces the key if its version is the one before; returns whether it did. */
  readonly replace: (key: KeyRecord, next: NextChange) => boolean
  readonly noteUse: (use: KeyUse) => void
  /** Counts an owner's keys, one beyond `most` at most: an owner may have a million. */
  readonly countOfOwner: (owner: string, most: number) => OwnerKeysCount
}

export function createKeyTable(database: SqliteDatabase, rows: BelievedRows): KeyTable {
  const columns = keyColumns.join(', ')
  const marks = keyColumns.map(() => '?').join(', ')
  const assignments = keyColumns.slice(0, -1).map((column) => `${column} = ?`)
  const insert = database.prepare(
    `INSERT INTO keys (${columns}, place, change, mac) VALUES (${marks}, ?, ?, ?)`,
  )
  const update = database.prepare(
    `UPDATE keys SET ${assignments.join(', ')}, change = ?, mac = ? WHERE id = ?`,
  )
  const updateUse = database.prepare(
    `UPDATE keys SET last_used_at = ? WHERE place BETWEEN ? AND ? AND +id = ?
      AND coalesce(last_used_at < ?, TRUE)`,
  )
  const findCells = createCellFinder(database, rows)
  const findFreePlace = createPlaceFinder(database)
  const digests = createImportedDigestTable(database, rows)

  function find(id: string): KeyRecord | undefined {
    const cells = findCells(id)
    return cells === undefined ? undefined : decodeKey(rows, cells)
  }

  return {
    find,
    findImported: (candidates) =>
      readTwoTrees(
        database,
        () => {
          for (const digest of candidates) {
            const id = digests.findKeyId(digest)
            if (id === undefined) continue
            const key = find(id)
            // The digest has no MAC of its own: its key has it, or the row is another's.
            if (key?.secrets.some((secret) => Buffer.compare(secret.digest, digest) === 0) !== true)
              return new Torn(nameOfDigest(digest))
            rows.confirm('digest', nameOfDigest(digest))
            return key
          }
          return undefined
        },
        (name) => rows.reportLost('digest', name),
      ),
    isTaken: (key) =>
      find(key.id) !== undefined ||
      (key.imported && key.secrets.some(({ digest }) => digests.findKeyId(digest) !== undefined)),
    add(key, next) {
      const cells = encodeKey(key)
      const change = next(0)
      insert.run(...cells, findFreePlace(key.id), change, macOfKey(rows, cells, change))
      digests.put(key)
    },
    replace(key, next) {
      const before = findCells(key.id)
      if (before === undefined) return false
      if (decodeKey(rows, before).version !== key.version - 1) return false
      const cells = encodeKey(key)
      const change = next(before[20])
      update.run(...cells.slice(0, -1), change, macOfKey(rows, cells, change), key.id)
      digests.put(key)
      return true
    },
    noteUse: ({ keyId, at }) => {
      const place = placeOf(keyId)
      updateUse.run(at, place, place + neighboursMax - 1, keyId, at)
    },
    countOfOwner: createOwnerCount(database),
  }
}

/** No damage makes a key unknown, which clients would throw away: both trees must say so. */
function createCellFinder(
  database: SqliteDatabase,
  rows: BelievedRows,
): (id: string) => KeyCells | undefined {
  // The plus hides the index on ids from SQLite: see `placeOf`.
  const select = database.prepareCells<KeyCells>(
    `SELECT ${readColumns.join(', ')} FROM keys WHERE place BETWEEN ? AND ? AND +id = ?`,
  )
  // The other tree that has every id.
  const selectAgain = database.prepare('SELECT 1 FROM keys INDEXED BY sqlite_autoindex_keys_1 WHERE id = ?')
  return (id) => {
    const place = placeOf(id)
    const cells = select.get(place, place + neighboursMax - 1, id)
    if (cells !== undefined || selectAgain.get(id) === undefined) return cells
    return readTwoTrees(
      database,
      () => select.get(place, place + neighboursMax - 1, id) ?? (selectAgain.get(id) && new Torn(id)),
      () => rows.reportLost('key', id),
    )
  }
}

function createOwnerCount(database: SqliteDatabase): KeyTable['countOfOwner'] {
  const count = database.prepare<OwnerKeysCount>(
    `SELECT count(*) AS stored, coalesce(sum(revoked_at IS NULL), 0) AS live
      FROM (SELECT revoked_at FROM keys WHERE owner = ? LIMIT ?)`,
  )
  return (owner, most) => count.get(owner, most + 1) ?? { stored: 0, live: 0 }
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

/** The digests of imported keys' stored secrets, each of one key. */
interface ImportedDigestTable {
  /** The id of the key that has the digest. */
  readonly findKeyId: (digest: Uint8Array) => string | undefined
  /** Replaces the digests of a key; a key that is not imported has none. */
  readonly put: (key: KeyRecord) => void
}

function createImportedDigestTable(database: SqliteDatabase, rows: BelievedRows): ImportedDigestTable {
  const select = database.prepare<{ key_id: string }>(
    'SELECT key_id FROM imported_digests NOT INDEXED WHERE digest = ?',
  )
  const selectAgain = database.prepare<{ key_id: string }>(
    'SELECT key_id FROM imported_digests INDEXED BY imported_digests_again WHERE digest = ?',
  )
  const insert = database.prepare('INSERT INTO imported_digests (digest, key_id) VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM imported_digests WHERE key_id = ?')
  const findKeyId = (digest: Uint8Array): string | undefined =>
    readTwoTrees(
      database,
      () => {
        const found = select.get(digest)?.key_id
        const again = found === undefined ? selectAgain.get(digest)?.key_id : undefined
        return again === undefined ? found : new Torn(nameOfDigest(digest))
      },
      (name) => rows.reportLost('digest', name),
    )

  return {
    findKeyId,
    put: (key) => {
      remove.run(key.id)
      if (!key.imported) return
      for (const { digest } of key.secrets) {
        const holder = findKeyId(digest)
        if (holder === undefined) insert.run(digest, key.id)
        else if (holder !== key.id)
          throw new Fault('internal', `key ${key.id}: the imported key ${holder} has the same secret`)
      }
    },
  }
}

/** Rows for ids that hash alike. Ids are random: two of them hash alike once in 2^48. */
export const neighboursMax = 16

/**
 * The first of the `neighboursMax` rowids that a key's row may have, a whole number below 2^52.
 *
 * SQLite stores a table as a tree by rowid. A rowid of its own would need an index, a second tree
 * whose pages exceed the cache with a million keys; a rowid derived from the id needs one tree,
 * whose inner pages are 1.2 MB then. The hash is part of the file format (cyrb53 by bryc, public
 * domain, cut to 48 bits). It need not be secret: only the deployment chooses ids.
 */
export function placeOf(id: string): number {
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let at = 0; at < id.length; at += 1) {
    const unit = id.charCodeAt(at)
    low = Math.imul(low ^ unit, 2_654_435_761)
    high = Math.imul(high ^ unit, 1_597_334_677)
  }
  const mixedLow =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  const mixedHigh =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(mixedLow ^ (mixedLow >>> 13), 3_266_489_909)
  return ((mixedHigh & 0xffff) * 2 ** 32 + (mixedLow >>> 0)) * neighboursMax
}
