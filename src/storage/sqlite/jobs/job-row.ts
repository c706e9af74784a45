import type { JobErrorCode, JobRecord, JobStatus } from '../../../jobs/job.ts'
import { DamagedRow, sumOf } from './row-sums.ts'

/** A job's row; its inputs and its answers have tables of their own. */
export interface StoredJob {
  readonly place: number
  readonly job: JobRecord
  readonly lease: string | null
  /** Bytes of the answers that are stored. */
  readonly answerBytes: number
  /** Checksum of the inputs. */
  readonly inputsSum: number
  /** Checksum of the texts of the answers, one behind the other. */
  readonly answersSum: number
}

/** Columns of `jobs` in the order of `JobCells`. */
export const jobColumns: string = [
  ...['place', 'held_by', 'id', 'owner', 'key_id', 'request_id', 'model', 'kind', 'total', 'priority'],
  ...['attempts_max', 'webhook', 'created_at', 'status', 'version', 'done', 'attempts'],
  ...['error_code', 'error_detail', 'started_at', 'finished_at', 'expires_at'],
  ...['errors', 'answer_bytes', 'inputs_sum', 'answers_sum', 'sum'],
].join(', ')

export type JobCells = readonly [
  place: number,
  lease: string | null,
  id: string,
  owner: string,
  keyId: string,
  requestId: string | null,
  model: string,
  kind: string,
  total: number,
  priority: number,
  attemptsMax: number,
  webhook: string | null,
  createdAt: number,
  status: string,
  version: number,
  done: number,
  attempts: number,
  errorCode: string | null,
  errorDetail: string | null,
  startedAt: number | null,
  finishedAt: number | null,
  expiresAt: number | null,
  errors: number,
  answerBytes: number,
  inputsSum: number,
  answersSum: number,
  sum: number,
]

/** The columns that a checksum is of: all but the row's place and the checksum itself. */
export function sumOfCells(cells: JobCells): number {
  return sumOf(cells.slice(1, -1))
}

/** The checksum of a job's row, as it is to be written. */
export function sumOfJob({
  lease,
  job,
  answerBytes,
  inputsSum,
  answersSum,
}: Omit<StoredJob, 'place'>): number {
  const { id, owner, keyId, requestId, model, kind, total, priority, attemptsMax, webhook, createdAt } = job
  const { status, version, done, attempts, error, startedAt, finishedAt, expiresAt, errors } = job
  return sumOf([
    ...[lease, id, owner, keyId, requestId, model, kind, total, priority, attemptsMax, webhook, createdAt],
    ...[status, version, done, attempts, error?.code ?? null, error?.detail ?? null],
    ...[startedAt, finishedAt, expiresAt, errors, answerBytes, inputsSum, answersSum],
  ])
}

export function isWholeJob(cells: JobCells): boolean {
  return cells[26] === sumOfCells(cells)
}

/** @throws DamagedRow for a row that is not the one that was written */
export function readJob(cells: JobCells): StoredJob {
  if (!isWholeJob(cells)) throw new DamagedRow(`job ${cells[2]}`)
  return decodeJob(cells)
}

/** The checksum guarantees the types. */
function decodeJob(cells: JobCells): StoredJob {
  const [errorCode, errorDetail] = [cells[17], cells[18]]
  const job: JobRecord = {
    id: cells[2],
    owner: cells[3],
    keyId: cells[4],
    requestId: cells[5],
    model: cells[6],
    kind: cells[7] as JobRecord['kind'],
    total: cells[8],
    priority: cells[9],
    attemptsMax: cells[10],
    webhook: cells[11],
    createdAt: cells[12],
    status: cells[13] as JobStatus,
    version: cells[14],
    done: cells[15],
    errors: cells[22],
    attempts: cells[16],
    result: null,
    error:
      errorCode === null || errorDetail === null
        ? null
        : { code: errorCode as JobErrorCode, detail: errorDetail },
    startedAt: cells[19],
    finishedAt: cells[20],
    expiresAt: cells[21],
  }
  const [, lease] = cells
  return { place: cells[0], lease, job, answerBytes: cells[23], inputsSum: cells[24], answersSum: cells[25] }
}
