import { Fault } from '../../../core/fault.ts'
import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type { KeyUse, KeyVersion } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { NextChange } from '../../keys/change-numbers.ts'
import { decodeKey, encodeKey, keyColumns, macOfKey, readColumns } from '../../keys/key-row.ts'
import type { OwnerKeysCount } from '../../keys/owner-keys.ts'
import type { Query } from '../postgres.ts'
import { cellsOf, createKeyLookups, type KeyLookups, type KeyRow, toBuffer } from './key-lookups.ts'
import type { PrimaryReads } from './primary-reads.ts'

/** Keys, and the digests of imported ones. What takes a query is part of a change. */
export interface KeyTable extends KeyLookups {
  /** Whether an id, or the digest of an imported key, exists. */
  readonly areTaken: (query: Query, keys: readonly KeyRecord[]) => Promise<boolean>
  readonly add: (query: Query, keys: readonly KeyRecord[], next: NextChange) => Promise<void>
  /** Replaces the key if its version is the one before; returns whether it did. */
  readonly replace: (query: Query, key: KeyRecord, next: NextChange) => Promise<boolean>
  /** Whether the key is stored, and this is its version. */
  readonly isOfVersion: (query: Query, key: KeyVersion) => Promise<boolean>
  /** Counts an owner's keys, one beyond `most` at most: an owner may have a million. */
  readonly countOfOwner: (query: Query, owner: string, most: number) => Promise<OwnerKeysCount>
  readonly noteUses: (query: Query, uses: readonly KeyUse[]) => Promise<void>
}

/** The types of the columns that a change writes, which are those of arrays of them too. */
const columnTypes: Readonly<Record<string, string>> = {
  version: 'bigint',
  secrets: 'bytea',
  imported: 'int',
  created_at: 'bigint',
  updated_at: 'bigint',
  not_before: 'bigint',
  expires_at: 'bigint',
  disabled_at: 'bigint',
  revoked_at: 'bigint',
  change: 'bigint',
  mac: 'bytea',
}

const writtenColumns = [...keyColumns, 'change', 'mac']

export function createKeyTable(reads: PrimaryReads, schema: string, rows: BelievedRows): KeyTable {
  const arrays = writtenColumns.map((column, at) => `$${at + 1}::${columnTypes[column] ?? 'text'}[]`)
  const insert = `INSERT INTO ${schema}.keys (${writtenColumns.join(', ')})
    SELECT * FROM unnest(${arrays.join(', ')})`
  const assignments = writtenColumns.map((column, at) => `${column} = $${at + 1}`)
  const update = `UPDATE ${schema}.keys SET ${assignments.join(', ')} WHERE id = $${keyColumns.length}`
  const select = `SELECT ${readColumns.join(', ')} FROM ${schema}.keys WHERE id = $1`
  const digests = createDigestTable(schema)

  return {
    ...createKeyLookups(reads, schema, rows),
    async areTaken(query, keys) {
      const ids = keys.map(({ id }) => id)
      const [row] = await query<{ readonly are_taken: boolean }>(
        `SELECT EXISTS (SELECT 1 FROM ${schema}.keys WHERE id = ANY ($1::text[]))
          OR EXISTS (SELECT 1 FROM ${schema}.imported_digests WHERE digest = ANY ($2::bytea[])) AS are_taken`,
        [ids, keys.flatMap(digestsOf)],
      )
      return row?.are_taken !== false
    },
    async add(query, keys, next) {
      const written = keys.map((key) => writtenCells(rows, key, next(0)))
      await query(
        insert,
        writtenColumns.map((_, at) => written.map((cells) => cells[at])),
      )
      await digests.put(query, keys)
    },
    async replace(query, key, next) {
      const [row] = await query<KeyRow>(select, [key.id])
      if (row === undefined) return false
      const before = cellsOf(row)
      const earlier = decodeKey(rows, before)
      if (earlier.version !== key.version - 1) return false
      await query(update, writtenCells(rows, key, next(before[20])))
      if (earlier.imported || key.imported) {
        await digests.remove(query, key.id)
        await digests.put(query, [key])
      }
      return true
    },
    async isOfVersion(query, { id, version }) {
      const [row] = await query<KeyRow>(select, [id])
      return row !== undefined && decodeKey(rows, cellsOf(row)).version === version
    },
    async countOfOwner(query, owner, most) {
      const [row] = await query<OwnerKeysCount>(
        `SELECT count(*) AS stored, count(*) FILTER (WHERE revoked_at IS NULL) AS live
          FROM (SELECT revoked_at FROM ${schema}.keys WHERE owner = $1 LIMIT $2::bigint) AS of_owner`,
        [owner, most + 1],
      )
      return row ?? { stored: 0, live: 0 }
    },
    noteUses: (query, uses) => noteUses(query, schema, uses),
  }
}

function writtenCells(rows: BelievedRows, key: KeyRecord, change: number): readonly unknown[] {
  const cells = encodeKey(key)
  return [...cells, change, macOfKey(rows, cells, change)]
}

/**
 * Locks rows in the order of their ids, so that two nodes never wait for each other; a change holds
 * no more than one row and waits for none of these.
 */
async function noteUses(query: Query, schema: string, uses: readonly KeyUse[]): Promise<void> {
  if (uses.length === 0) return
  await query(
    `WITH noted AS (
        SELECT id, max(at) AS at FROM unnest($1::text[], $2::bigint[]) AS u (id, at) GROUP BY id
      ), later AS (
        SELECT k.id, n.at FROM ${schema}.keys AS k JOIN noted AS n ON n.id = k.id
        WHERE coalesce(k.last_used_at < n.at, true) ORDER BY k.id FOR NO KEY UPDATE OF k
      )
      UPDATE ${schema}.keys AS k SET last_used_at = greatest(k.last_used_at, later.at)
        FROM later WHERE k.id = later.id`,
    [uses.map(({ keyId }) => keyId), uses.map(({ at }) => at)],
  )
}

/** The digests of imported keys' stored secrets, each of one key. */
interface DigestTable {
  readonly remove: (query: Query, keyId: string) => Promise<void>
  /** Adds those of imported keys. @throws Fault `internal` if another key has one of them */
  readonly put: (query: Query, keys: readonly KeyRecord[]) => Promise<void>
}

function createDigestTable(schema: string): DigestTable {
  return {
    async remove(query, keyId) {
      await query(`DELETE FROM ${schema}.imported_digests WHERE key_id = $1`, [keyId])
    },
    async put(query, keys) {
      const entries = keys.flatMap((key) => digestsOf(key).map((digest) => ({ digest, keyId: key.id })))
      if (entries.length === 0) return
      const added = await query(
        `INSERT INTO ${schema}.imported_digests (digest, key_id)
          SELECT * FROM unnest($1::bytea[], $2::text[]) ON CONFLICT DO NOTHING RETURNING key_id`,
        [entries.map(({ digest }) => digest), entries.map(({ keyId }) => keyId)],
      )
      if (added.length < entries.length)
        throw new Fault('internal', `key ${keys[0]?.id}: another imported key has the same secret`)
    },
  }
}

function digestsOf(key: KeyRecord): readonly Buffer[] {
  return key.imported ? key.secrets.map(({ digest }) => toBuffer(digest)) : []
}
