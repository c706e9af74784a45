import type { JobError, JobRecord, JobStatus } from '../../../jobs/job.ts'

/** A row of `jobs`, with the columns of `jobColumns`. */
export interface JobRow {
  readonly place: number
  readonly id: string
  readonly owner: string
  readonly key_id: string
  readonly request_id: string | null
  readonly model: string
  readonly kind: JobRecord['kind']
  readonly total: number
  readonly priority: number
  readonly attempts_max: number
  readonly webhook: string | null
  readonly created_at: number
  readonly characters: number
  readonly pieces: number
  readonly status: JobStatus
  readonly version: number
  readonly done: number
  readonly errors: number
  readonly attempts: number
  readonly error: string | null
  readonly started_at: number | null
  readonly finished_at: number | null
  readonly expires_at: number | null
  readonly held_by: string | null
  readonly bytes: number
  readonly answer_bytes: number
  readonly answer_values: number
}

/** A job's row; its inputs and its answers have tables of their own. */
export interface StoredJob {
  readonly place: number
  /** Without its result. */
  readonly job: JobRecord
  readonly lease: string | null
  /** How many pieces its inputs are stored in. */
  readonly pieces: number
  /** What it counts as, its inputs and answers included. */
  readonly bytes: number
  /** Bytes of the answers that are stored. */
  readonly answerBytes: number
  /** Values in the stored answers, by a reading of them. */
  readonly answerValues: number
}

export function readJob(row: JobRow): StoredJob {
  const { id, owner, model, kind, total, priority, webhook, status, version, done, errors, attempts } = row
  const job: JobRecord = {
    ...{ id, owner, keyId: row.key_id, requestId: row.request_id, model, kind, total, priority },
    ...{ attemptsMax: row.attempts_max, webhook, createdAt: row.created_at },
    ...{ status, version, done, errors, attempts, result: null },
    error: row.error === null ? null : (JSON.parse(row.error) as JobError),
    ...{ startedAt: row.started_at, finishedAt: row.finished_at, expiresAt: row.expires_at },
  }
  return {
    ...{ place: row.place, job, lease: row.held_by, pieces: row.pieces, bytes: row.bytes },
    ...{ answerBytes: row.answer_bytes, answerValues: row.answer_values },
  }
}
