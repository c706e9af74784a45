import { Fault } from '../../../core/fault.ts'
import type { KeyRecord } from '../../../keys/key-record.ts'
import type { SqliteDatabase } from '../database.ts'

/** The digests of imported keys' kept secrets, each of one key, without transactions or error handling of their own. */
export interface ImportedDigestTable {
  /** The id of the key that has the digest. */
  readonly findKeyId: (digest: Uint8Array) => string | undefined
  /** Puts the digests of the key's kept secrets in the place of those of before; none where it is not an imported key. */
  readonly put: (key: KeyRecord) => void
}

export function createImportedDigestTable(database: SqliteDatabase): ImportedDigestTable {
  const select = database.prepare<{ key_id: string }>('SELECT key_id FROM imported_digests WHERE digest = ?')
  const insert = database.prepare('INSERT INTO imported_digests (digest, key_id) VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM imported_digests WHERE key_id = ?')
  const findKeyId = (digest: Uint8Array): string | undefined => select.get(digest)?.key_id
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
