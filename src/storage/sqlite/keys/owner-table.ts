import { Fault } from '../../../core/fault.ts'
import type { OwnerPage, OwnerQuery } from '../../../keys/key-store.ts'
import type { OwnerRecord } from '../../../keys/owner-record.ts'
import { parseFrozen } from '../../parse-frozen.ts'
import type { SqliteDatabase } from '../database.ts'
import { nextChange } from './key-schema.ts'

/** Records of owners. The caller brings the transaction. */
export interface OwnerTable {
  readonly find: (owner: string) => OwnerRecord | undefined
  /** Replaces the record of the version before, or adds version 1; returns whether it did. */
  readonly replace: (record: OwnerRecord) => boolean
  readonly list: (query: OwnerQuery) => OwnerPage
}

interface OwnerRow {
  readonly owner: string
  readonly version: number
  readonly limits: string
  readonly created_at: number
  readonly updated_at: number
}

export function createOwnerTable(database: SqliteDatabase): OwnerTable {
  const select = 'SELECT owner, version, limits, created_at, updated_at FROM owners'
  const find = database.prepare<OwnerRow>(`${select} WHERE owner = ?`)
  const listFirst = database.prepare<OwnerRow>(`${select} ORDER BY owner LIMIT ?`)
  const listAfter = database.prepare<OwnerRow>(`${select} WHERE owner > ? ORDER BY owner LIMIT ?`)
  const insert = database.prepare(
    `INSERT INTO owners (owner, version, limits, created_at, updated_at, change) VALUES (?, 1, ?, ?, ?, ${nextChange})
      ON CONFLICT (owner) DO NOTHING`,
  )
  const update = database.prepare(
    `UPDATE owners SET version = ?, limits = ?, created_at = ?, updated_at = ?, change = ${nextChange}
      WHERE owner = ? AND version = ?`,
  )
  return {
    find(owner) {
      const row = find.get(owner)
      return row && decodeOwner(row)
    },
    replace({ owner, version, limits, createdAt, updatedAt }) {
      const text = JSON.stringify(limits)
      const { changes } =
        version === 1
          ? insert.run(owner, text, createdAt, updatedAt)
          : update.run(version, text, createdAt, updatedAt, owner, version - 1)
      return Number(changes) > 0
    },
    list({ limit, after }) {
      // One more than the limit tells whether another page follows.
      const rows = after === undefined ? listFirst.all(limit + 1) : listAfter.all(after, limit + 1)
      return { owners: rows.slice(0, limit).map(decodeOwner), hasMore: rows.length > limit }
    },
  }
}

function decodeOwner(row: OwnerRow): OwnerRecord {
  try {
    return Object.freeze({
      owner: row.owner,
      version: row.version,
      limits: parseFrozen<readonly string[]>(row.limits),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    })
  } catch (error) {
    throw new Fault('store_unavailable', `owner ${row.owner}: its row cannot be read`, { cause: error })
  }
}
