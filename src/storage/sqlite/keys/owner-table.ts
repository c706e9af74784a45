import type { OwnerRecord } from '../../../keys/record/owner-record.ts'
import type { OwnerPage, OwnerQuery } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { NextChange } from '../../keys/change-numbers.ts'
import { believedCells, decodeOwner, type OwnerRow } from '../../keys/owner-row.ts'
import { namingDamaged } from '../../keys/sort-out-rows.ts'
import type { SqliteDatabase } from '../database.ts'
import { readBelieved } from './read-believed.ts'
import { readTwoTrees, Torn } from './read-two-trees.ts'

/** Records of owners. The caller brings the transaction. */
export interface OwnerTable {
  readonly find: (owner: string) => OwnerRecord | undefined
  /** Replaces the record of the version before, or adds version 1; returns whether it did. */
  readonly replace: (record: OwnerRecord, next: NextChange) => boolean
  readonly list: (query: OwnerQuery) => OwnerPage
}

export function createOwnerTable(database: SqliteDatabase, rows: BelievedRows): OwnerTable {
  const select = 'SELECT owner, version, limits, created_at, updated_at, change, mac FROM owners'
  const selectOne = database.prepare<OwnerRow>(`${select} NOT INDEXED WHERE owner = ?`)
  // The other tree that has every owner.
  const selectAgain = database.prepare('SELECT 1 FROM owners INDEXED BY owners_again WHERE owner = ?')
  const listFirst = database.prepare<OwnerRow>(`${select} ORDER BY owner LIMIT ?`)
  const listAfter = database.prepare<OwnerRow>(`${select} WHERE owner > ? ORDER BY owner LIMIT ?`)
  const insert = database.prepare(
    `INSERT INTO owners (version, limits, created_at, updated_at, change, mac, owner) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  )
  const update = database.prepare(
    `UPDATE owners SET version = ?, limits = ?, created_at = ?, updated_at = ?, change = ?, mac = ? WHERE owner = ?`,
  )

  /** No damage makes an owner one without limits: both trees must say so. */
  function find(owner: string): OwnerRow | undefined {
    const row = readTwoTrees(
      database,
      () => selectOne.get(owner) ?? (selectAgain.get(owner) && new Torn(owner)),
      () => rows.reportLost('owner', owner),
    )
    if (row !== undefined) rows.check('owner', owner, believedCells(row), row.mac)
    return row
  }

  return {
    find(owner) {
      const row = find(owner)
      return row && decodeOwner(row)
    },
    replace({ owner, version, limits, createdAt, updatedAt }, next) {
      const before = find(owner)
      if ((before?.version ?? 0) !== version - 1) return false
      const change = next(before?.change ?? 0)
      const row = { owner, version, limits: JSON.stringify(limits), change }
      const cells = believedCells({ ...row, created_at: createdAt, updated_at: updatedAt })
      const written = [version, row.limits, createdAt, updatedAt, change, rows.macOf('owner', cells), owner]
      if (before === undefined) insert.run(...written)
      else update.run(...written)
      return true
    },
    list({ limit, after }) {
      const { records, damaged } = readBelieved(
        // One more than the limit tells whether another page follows.
        limit + 1,
        (most) => (after === undefined ? listFirst.all(most) : listAfter.all(after, most)),
        (row) => {
          rows.check('owner', row.owner, believedCells(row), row.mac)
          return decodeOwner(row)
        },
        (row) => row.owner,
      )
      const hasMore = records.length > limit
      return { owners: records.slice(0, limit), hasMore, ...namingDamaged(damaged) }
    },
  }
}
