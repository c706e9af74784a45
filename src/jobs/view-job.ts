import { isoTime } from '../keys/views.ts'
import type { JobError, JobRecord, JobStatus } from './job.ts'

/** A job as the API and the command line show it. Times are ISO 8601, UTC. */
export interface JobView {
  readonly id: string
  /** Whose it is, and by which key: shown to administrators alone, who see those of all owners. */
  readonly owner?: string
  readonly key_id?: string
  readonly status: JobStatus
  readonly model: string
  readonly kind: 'single' | 'batch'
  /** How many inputs have been answered, and how many there are. */
  readonly progress: { readonly done: number; readonly total: number }
  /** Null until it has succeeded, and in lists. */
  readonly result: unknown
  readonly error: JobError | null
  /** How often it was begun. */
  readonly attempts: number
  /** Grows with every change. */
  readonly version: number
  readonly created_at: string
  readonly started_at: string | null
  readonly finished_at: string | null
  /** When it is forgotten, with its result; null until it has ended. */
  readonly expires_at: string | null
}

/** Shows a job. */
export function viewJob(record: JobRecord): JobView {
  return {
    id: record.id,
    status: record.status,
    model: record.model,
    kind: record.kind,
    progress: { done: record.done, total: record.total },
    result: record.result === null ? null : JSON.parse(record.result),
    error: record.error,
    attempts: record.attempts,
    version: record.version,
    created_at: isoTime(record.createdAt),
    started_at: isoTimeOrNull(record.startedAt),
    finished_at: isoTimeOrNull(record.finishedAt),
    expires_at: isoTimeOrNull(record.expiresAt),
  }
}

/** Shows a job to an administrator. */
export function viewOwnedJob(record: JobRecord): JobView {
  const { id, ...view } = viewJob(record)
  return { id, owner: record.owner, key_id: record.keyId, ...view }
}

function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms)
}
