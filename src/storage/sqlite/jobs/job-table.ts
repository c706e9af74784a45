import {
  hasEnded,
  type JobAnswers,
  type JobErrorCode,
  type JobRecord,
  type JobStatus,
  type NewJob,
} from '../../../jobs/job.ts'
import type { JobAddress } from '../../../jobs/job-queue.ts'
import { acceptJob } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import { bytesOfAnswers, bytesOfNew, rowBytes } from './job-bytes.ts'

/** Jobs with their inputs and answers. The caller brings the transaction. */
export interface JobTable {
  readonly add: (job: NewJob) => JobRecord
  readonly find: (id: string) => StoredJob | undefined
  /** The same, unless it is another owner's. */
  readonly findOwned: (address: JobAddress) => StoredJob | undefined
  readonly findInputs: (place: number) => string
  /** What is done of a job that has ended; null where nothing is. */
  readonly findResult: (stored: StoredJob) => string | null
  /** Stores answers, and gives the row with their bytes counted: to be put by the caller. */
  readonly addAnswers: (stored: StoredJob, added: readonly JobAnswers[]) => StoredJob
  /** How many answers and problems of a batch are stored, by a reading of them. */
  readonly countAnswers: (place: number) => number
  /** Deletes all answers of a job, and gives the row without them. */
  readonly dropAnswers: (stored: StoredJob) => StoredJob
  /** Writes the columns that may change. Deletes inputs that no attempt can need. */
  readonly put: (changed: ChangedJob) => void
  /** Writes progress and extends a lease. */
  readonly extend: (stored: StoredJob, until: number) => void
}

export interface ChangedJob extends StoredJob {
  /** When it becomes ready: null at once, or never if it has ended. */
  readonly dueAt: number | null
}

export function createJobTable(database: SqliteDatabase): JobTable {
  const insert = database.prepare(
    `INSERT INTO jobs (id, owner, key_id, request_id, model, kind, total, priority, attempts_max, webhook, created_at,
      bytes, status, version, done, attempts, is_ready)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 1, 0, 0, 1)`,
  )
  const insertInputs = database.prepare('INSERT INTO job_inputs VALUES (last_insert_rowid(), ?)')
  const removeInputs = database.prepare('DELETE FROM job_inputs WHERE place = ?')
  const update = database.prepare(
    `UPDATE jobs SET lease = ?, status = ?, version = ?, done = ?, attempts = ?, error_code = ?, error_detail = ?,
      started_at = ?, finished_at = ?, expires_at = ?, is_ready = ?, due_at = ?, errors = ?,
      bytes = ? + coalesce(?, bytes - answer_bytes), answer_bytes = ?
      WHERE place = ?`,
  )
  const prolong = database.prepare(
    `UPDATE jobs SET done = ?1, version = ?2, is_ready = 0, due_at = ?3, errors = ?4,
      bytes = bytes - answer_bytes + ?5, answer_bytes = ?5 WHERE place = ?6`,
  )
  const { find, findOwned, findResult } = createJobFinder(database)
  const selectInputs = database.prepare<{ inputs: string }>('SELECT inputs FROM job_inputs WHERE place = ?')

  return {
    add(job) {
      const { id, owner, keyId, requestId, model, kind, total, priority } = job
      const { attemptsMax, webhook, createdAt } = job
      const cells = [id, owner, keyId, requestId, model, kind, total, priority]
      insert.run(...cells, attemptsMax, webhook, createdAt, bytesOfNew([job]))
      insertInputs.run(job.inputs)
      return acceptJob(job)
    },
    find,
    findOwned,
    findResult,
    ...createAnswerTable(database),
    findInputs(place) {
      const row = selectInputs.get(place)
      if (row === undefined) throw new Error(`the inputs of the job at ${place} are missing`)
      return row.inputs
    },
    put({ place, job, lease, dueAt, answerBytes }) {
      const { status, version, done, attempts, error, startedAt, finishedAt, expiresAt, errors } = job
      const isReady = !hasEnded(status) && dueAt === null ? 1 : 0
      const state = [lease, status, version, done, attempts, error?.code ?? null, error?.detail ?? null]
      const times = [startedAt, finishedAt, expiresAt, isReady, dueAt]
      const bytes = needsInputs(status) ? null : rowBytes
      update.run(...state, ...times, errors, answerBytes, bytes, answerBytes, place)
      if (!needsInputs(status)) removeInputs.run(place)
    },
    extend({ place, job, answerBytes }, until) {
      prolong.run(job.done, job.version, until, job.errors, answerBytes, place)
    },
  }
}

function createAnswerTable(
  database: SqliteDatabase,
): Pick<JobTable, 'addAnswers' | 'countAnswers' | 'dropAnswers'> {
  const insert = database.prepare('INSERT INTO job_answers VALUES (?, ?, ?)')
  const remove = database.prepare('DELETE FROM job_answers WHERE place = ?')
  // What is not JSON counts as nothing.
  const count = database.prepare<{ answers: number | null }>(
    `SELECT sum(iif(json_valid(list), json_array_length(list), 0)) AS answers
      FROM (SELECT '[' || answers || ']' AS list FROM job_answers WHERE place = ?)`,
  )
  return {
    addAnswers(stored, added) {
      for (const { from, text } of added) insert.run(stored.place, from, text)
      return { ...stored, answerBytes: stored.answerBytes + bytesOfAnswers(added) }
    },
    countAnswers: (place) => count.get(place)?.answers ?? 0,
    dropAnswers(stored) {
      remove.run(stored.place)
      return { ...stored, job: { ...stored.job, done: 0, errors: 0 }, answerBytes: 0 }
    },
  }
}

/** Whether another attempt may follow, by an administrator's retry too. */
function needsInputs(status: JobStatus): boolean {
  return status !== 'succeeded' && status !== 'cancelled'
}

/** Finds jobs by their ids. */
export function createJobFinder(
  database: SqliteDatabase,
): Pick<JobTable, 'find' | 'findOwned' | 'findResult'> {
  const select = database.prepareCells<JobCells>(`SELECT ${jobColumns} FROM jobs WHERE id = ?`)
  const selectAnswers = database.prepare<{ answers: string }>(
    'SELECT answers FROM job_answers WHERE place = ? ORDER BY from_input',
  )

  function find(id: string): StoredJob | undefined {
    const cells = select.get(id)
    return cells === undefined ? undefined : decodeJob(cells)
  }

  return {
    find,
    findOwned({ id, owner }) {
      const found = find(id)
      return owner === undefined || found?.job.owner === owner ? found : undefined
    },
    findResult({ place, job }) {
      if (!hasEnded(job.status) || job.done === 0) return null
      const text = selectAnswers
        .all(place)
        .map(({ answers }) => answers)
        .join()
      if (text === '') return null
      return job.kind === 'batch' ? `[${text}]` : text
    },
  }
}

/** A job's row; its inputs and its answers have tables of their own. */
export interface StoredJob {
  readonly place: number
  readonly job: JobRecord
  readonly lease: string | null
  /** Bytes of the answers that are stored. */
  readonly answerBytes: number
}

/** Columns of `jobs` in the order of `JobCells`. */
export const jobColumns: string = [
  ...['place', 'lease', 'id', 'owner', 'key_id', 'request_id', 'model', 'kind', 'total', 'priority'],
  ...['attempts_max', 'webhook', 'created_at', 'status', 'version', 'done', 'attempts'],
  ...['error_code', 'error_detail', 'started_at', 'finished_at', 'expires_at'],
  ...['errors', 'answer_bytes'],
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
]

/** STRICT tables and checks guarantee these types unless the file is damaged. */
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
  return { place: cells[0], lease: cells[1], job, answerBytes: cells[23] }
}
