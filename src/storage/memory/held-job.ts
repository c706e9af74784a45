import type { JobRecord, NewJob } from '../../jobs/job.ts'
import { acceptJob } from '../../jobs/transitions.ts'

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

export function newHeldJob(job: NewJob, seq: number): HeldJob {
  return { record: Object.freeze(acceptJob(job)), inputs: job.inputs, seq, dueAt: null, lease: null }
}
