import type { OwnerRecord } from '../../../keys/record/owner-record.ts'
import type { OwnerPage, OwnerQuery } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { NextChange } from '../../keys/change-numbers.ts'
import { believedCells, decodeOwner, type OwnerRow } from '../../keys/owner-row.ts'
import { namingDamaged } from '../../keys/sort-out-rows.ts'
import type { Query } from '../postgres.ts'
import { placeAmongStorable } from '../storable-text.ts'
import type { PrimaryReads } from './primary-reads.ts'
import { readBelieved } from './read-believed.ts'

/** Records of owners. What takes a query is part of a change. */
export interface OwnerTable {
  readonly find: (owner: string) => Promise<OwnerRecord | undefined>
  /** Replaces the record of the version before, or adds version 1; returns whether it did. */
  readonly replace: (query: Query, record: OwnerRecord, next: NextChange) => Promise<boolean>
  readonly list: (query: Query, asked: OwnerQuery) => Promise<OwnerPage>
}

const columns = ['owner', 'version', 'limits', 'created_at', 'updated_at', 'change', 'mac'] as const

export function createOwnerTable(reads: PrimaryReads, schema: string, rows: BelievedRows): OwnerTable {
  const table = `${schema}.owners`
  const names = columns.join(', ')
  const put = `INSERT INTO ${table} (${names}) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (owner) DO UPDATE SET ${columns
      .slice(1)
      .map((column) => `${column} = excluded.${column}`)
      .join(', ')}`

  function believe(row: OwnerRow): OwnerRecord {
    rows.check('owner', row.owner, believedCells(row), row.mac)
    return decodeOwner(row)
  }

  return {
    async find(owner) {
      const join = `LEFT JOIN ${table} AS found ON found.owner = $2`
      const found = columns.map((column) => `found.${column}`).join(', ')
      const row = await reads.read<OwnerRow | { readonly owner: null }>(found, join, [owner])
      return row.owner === null ? undefined : believe(row)
    },
    async replace(query, { owner, version, limits, createdAt, updatedAt }, next) {
      const [before] = await query<OwnerRow>(`SELECT ${names} FROM ${table} WHERE owner = $1`, [owner])
      const earlier = before && believe(before)
      if ((earlier?.version ?? 0) !== version - 1) return false
      const change = next(before?.change ?? 0)
      const written = { owner, version, limits: JSON.stringify(limits), change }
      const cells = believedCells({ ...written, created_at: createdAt, updated_at: updatedAt })
      await query(put, [...cells, rows.macOf('owner', cells)])
      return true
    },
    async list(query, { limit, after }) {
      const from = after === undefined ? '' : 'WHERE owner > $2'
      const place = after === undefined ? [] : [placeAmongStorable(after, false)]
      const { records, damaged } = await readBelieved(
        // One more than the limit tells whether another page follows.
        limit + 1,
        (most) =>
          query<OwnerRow>(`SELECT ${names} FROM ${table} ${from} ORDER BY owner LIMIT $1`, [most, ...place]),
        believe,
        (row) => row.owner,
      )
      return { owners: records.slice(0, limit), hasMore: records.length > limit, ...namingDamaged(damaged) }
    },
  }
}
