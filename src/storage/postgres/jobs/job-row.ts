import type { JobError, JobRecord, JobStatus } from '../../../jobs/job.ts'
import type { RowMacs } from '../../../secrets/row-macs.ts'
import { macedJob } from '../../job-row-macs.ts'
import type { Postgres } from '../postgres.ts'
import { DamagedRow } from './damaged-row.ts'

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
  readonly inputs_hash: Uint8Array
  readonly answers_hash: Uint8Array | null
  readonly mac: Uint8Array
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
  readonly inputsHash: Uint8Array
  /** Of the stored answers; null without any. */
  readonly answersHash: Uint8Array | null
}

/** What says whether a row is one that a node wrote. */
interface JobBelief {
  readonly postgres: Pick<Postgres, 'name'>
  readonly macs: RowMacs
}

/** @throws DamagedRow for a row that no node wrote as it stands */
export function readJob({ postgres, macs }: JobBelief, row: JobRow): StoredJob {
  const { id, owner, model, kind, total, priority, webhook, status, version, done, errors, attempts } = row
  const job: JobRecord = {
    ...{ id, owner, keyId: row.key_id, requestId: row.request_id, model, kind, total, priority },
    ...{ attemptsMax: row.attempts_max, webhook, createdAt: row.created_at },
    ...{ status, version, done, errors, attempts, result: null, error: null },
    ...{ startedAt: row.started_at, finishedAt: row.finished_at, expiresAt: row.expires_at },
  }
  const answers = {
    ...{ answerBytes: row.answer_bytes, answerValues: row.answer_values },
    ...{ inputsHash: row.inputs_hash, answersHash: row.answers_hash },
  }
  if (!macs.isOf(...macedJob({ job, error: row.error, ...answers }), row.mac))
    throw new DamagedRow(`job ${id}`, postgres.name)
  const error = row.error === null ? null : (JSON.parse(row.error) as JobError)
  return {
    ...{ place: row.place, job: { ...job, error }, lease: row.held_by },
    ...{ pieces: row.pieces, bytes: row.bytes, ...answers },
  }
}

/** A job's error as it is stored. */
export function errorText({ error }: Pick<JobRecord, 'error'>): string | null {
  return error === null ? null : JSON.stringify(error)
}

/** The MAC of a job's row as it is to be written. */
export function macOfJob(
  macs: RowMacs,
  stored: Omit<StoredJob, 'place' | 'lease' | 'pieces' | 'bytes'>,
): Uint8Array {
  return macs.of(...macedJob({ ...stored, error: errorText(stored.job) }))
}
