import type { OwnerRecord } from './owner-record.ts'
import { isoTime } from './views.ts'

/** What is kept of an owner as the admin API and the command line show it. Times are ISO 8601, UTC. */
export interface OwnerView {
  readonly owner: string
  readonly limits: readonly string[]
  readonly created_at: string
  readonly updated_at: string
}

/** Shows an owner. */
export function viewOwner({ owner, limits, createdAt, updatedAt }: OwnerRecord): OwnerView {
  return { owner, limits, created_at: isoTime(createdAt), updated_at: isoTime(updatedAt) }
}
