import type { JobErrorCode, JobRecord, JobStatus } from '../../../jobs/job.ts'

/** A job's row in memory; its inputs and its result are in tables of their own. */
export interface StoredJob {
  readonly place: number
  readonly job: JobRecord
  readonly lease: string | null
}

/** Columns of `jobs` in the order of `JobCells`. */
export const jobColumns: string = [
  ...['place', 'lease', 'id', 'owner', 'key_id', 'request_id', 'model', 'kind', 'total', 'priority'],
  ...['attempts_max', 'webhook', 'created_at', 'status', 'version', 'done', 'attempts'],
  ...['error_code', 'error_detail', 'started_at', 'finished_at', 'expires_at'],
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
]

/** The tables are STRICT and checked, so that the cells are of these types unless the file is damaged. */
export function decodeJob(cells: JobCells): StoredJob {
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
  return { place: cells[0], lease: cells[1], job }
}
