import type { StoredJob } from '../job-row.ts'

/**
 * Jobs as this process has leased them: their ends are decided without reading them. Whatever else
 * has happened to one, its version says so. What is not known is read.
 */
export interface KnownLeases {
  readonly find: (lease: string) => StoredJob | undefined
  readonly note: (stored: StoredJob) => void
  readonly forget: (lease: string) => void
}

/** More than a process works on at once. Those leased longest ago are forgotten. */
const knownMax = 10_000

export function createKnownLeases(): KnownLeases {
  const byLease = new Map<string, StoredJob>()
  return {
    find: (lease) => byLease.get(lease),
    note(stored) {
      if (stored.lease === null) return
      byLease.delete(stored.lease)
      byLease.set(stored.lease, stored)
      const [oldest] = byLease.keys()
      if (byLease.size > knownMax && oldest !== undefined) byLease.delete(oldest)
    },
    forget: (lease) => void byLease.delete(lease),
  }
}
