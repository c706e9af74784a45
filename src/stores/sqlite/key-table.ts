import { Fault } from '../../core/fault.ts'
import type { KeyRecord } from '../../core/key-record.ts'
import type { SqliteDatabase } from './database.ts'
import { decodeKey, encodeKey, type KeyRow, keyColumns } from './key-row.ts'

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

const nextChange = '(SELECT coalesce(max(change), 0) + 1 FROM keys)'

export function createKeyTable(database: SqliteDatabase): KeyTable {
  const columns = keyColumns.join(', ')
  const marks = keyColumns.map(() => '?').join(', ')
  const select = database.prepare<KeyRow>(`SELECT ${columns} FROM keys WHERE id = ?`)
  const insert = database.prepare(`INSERT INTO keys (${columns}, change) VALUES (${marks}, ${nextChange})`)
  const assignments = keyColumns.slice(0, -1).map((column) => `${column} = ?`)
  const update = database.prepare(
    `UPDATE keys SET ${assignments.join(', ')}, change = ${nextChange} WHERE id = ? AND version = ?`,
  )
  const selectOwnerOfDigest = database.prepare<{ key_id: string }>(
    'SELECT key_id FROM imported_digests WHERE digest = ?',
  )
  const insertDigest = database.prepare('INSERT INTO imported_digests (digest, key_id) VALUES (?, ?)')
  const deleteDigests = database.prepare('DELETE FROM imported_digests WHERE key_id = ?')

  const find = (id: string): KeyRecord | undefined => {
    const row = select.get(id)
    return row === undefined ? undefined : decodeKey(row)
  }
  const ownerOf = (digest: Uint8Array): string | undefined => selectOwnerOfDigest.get(digest)?.key_id

  function putDigests(key: KeyRecord): void {
    if (!key.imported) return
    for (const { digest } of key.secrets) {
      const owner = ownerOf(digest)
      if (owner !== undefined && owner !== key.id)
        throw new Fault('internal', `key ${key.id}: the imported key ${owner} has the same secret`)
      if (owner === undefined) insertDigest.run(digest, key.id)
    }
  }

  return {
    find,
    findImported: (digests) => {
      for (const digest of digests) {
        const owner = ownerOf(digest)
        if (owner !== undefined) return find(owner)
      }
      return undefined
    },
    isTaken: (key) =>
      select.get(key.id) !== undefined ||
      (key.imported && key.secrets.some(({ digest }) => ownerOf(digest) !== undefined)),
    add: (key) => {
      insert.run(...encodeKey(key))
      putDigests(key)
    },
    replace: (key) => {
      if (Number(update.run(...encodeKey(key), key.version - 1).changes) === 0) return false
      deleteDigests.run(key.id)
      putDigests(key)
      return true
    },
  }
}
