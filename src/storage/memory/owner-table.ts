import type { OwnerPage, OwnerQuery } from '../../keys/key-store.ts'
import type { OwnerRecord } from '../../keys/owner-record.ts'
import { compareText } from './compare-text.ts'
import { keepOwner } from './kept-copies.ts'

/** What is kept of owners. */
export interface OwnerTable {
  readonly find: (owner: string) => OwnerRecord | undefined
  /** Replaces the record of the version before, or adds version 1; false where that is not what is there. */
  readonly replace: (record: OwnerRecord) => boolean
  readonly list: (query: OwnerQuery) => OwnerPage
}

export function createOwnerTable(): OwnerTable {
  const owners = new Map<string, OwnerRecord>()
  return {
    find: (owner) => owners.get(owner.toWellFormed()),
    replace(record) {
      const kept = keepOwner(record)
      const version = owners.get(kept.owner)?.version ?? 0
      if (kept.version < 1 || kept.version !== version + 1) return false
      owners.set(kept.owner, kept)
      return true
    },
    list({ limit, after }) {
      const found = [...owners.values()]
        .filter(({ owner }) => after === undefined || compareText(owner, after) > 0)
        .sort((a, b) => compareText(a.owner, b.owner))
      return { owners: found.slice(0, limit), hasMore: found.length > limit }
    },
  }
}
