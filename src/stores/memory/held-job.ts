import type { JobRecord, NewJob } from '../../core/job.ts'

/** A job as this store holds it. The record is frozen and lent as it is; a change replaces it. */
export interface HeldJob {
  record: JobRecord
  readonly inputs: string
  /** Which in the order of acceptance. */
  readonly seq: number
  /** From when on it may be taken, milliseconds since the epoch: a running job's is when its lease ends. Null: at once. */
  dueAt: number | null
  /** Names the attempt under way. */
  lease: string | null
}

export function newHeldJob({ inputs, ...job }: NewJob, seq: number): HeldJob {
  const record: JobRecord = Object.freeze({
    ...job,
    status: 'queued',
    version: 1,
    done: 0,
    attempts: 0,
    result: null,
    error: null,
    startedAt: null,
    finishedAt: null,
    expiresAt: null,
  })
  return { record, inputs, seq, dueAt: null, lease: null }
}

export function withoutResult(record: JobRecord): JobRecord {
  return record.result === null ? record : Object.freeze({ ...record, result: null })
}
