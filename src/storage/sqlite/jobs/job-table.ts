import { hasEnded, type JobAnswers, type JobRecord, type NewJob } from '../../../jobs/job.ts'
import type { JobAddress } from '../../../jobs/job-queue.ts'
import { acceptJob, needsInputs } from '../../../jobs/transitions.ts'
import { bytesOfAnswers, bytesOfNew, rowBytes } from '../../job-row-bytes.ts'
import type { SqliteDatabase, SqliteStatement } from '../database.ts'
import { type JobCells, jobColumns, readJob, type StoredJob, sumOfJob } from './job-row.ts'
import { DamagedRow, damagedSum, sumOfText, unlessDamaged } from './row-sums.ts'

/** Jobs with their inputs and answers. The caller brings the transaction. */
export interface JobTable {
  readonly add: (job: NewJob) => JobRecord
  /** @throws DamagedRow */
  readonly find: (id: string) => StoredJob | undefined
  /** The same, unless it is another owner's. */
  readonly findOwned: (address: JobAddress) => StoredJob | undefined
  /** Undefined where they are not those that were written. */
  readonly findInputs: (stored: StoredJob) => string | undefined
  /** What is done of a job that has ended; null where nothing is. @throws DamagedRow */
  readonly findResult: (stored: StoredJob) => string | null
  /** Stores answers, and gives the row with their bytes counted: to be put by the caller. */
  readonly addAnswers: (stored: StoredJob, added: readonly JobAnswers[]) => StoredJob
  /** How many answers and problems of a batch are stored, by a reading of them. */
  readonly countAnswers: (place: number) => number
  /** Whether the stored answers are those that were written, and fit what is done. */
  readonly hasWholeAnswers: (stored: StoredJob) => boolean
  /** Deletes all answers of a job, and gives the row without them. */
  readonly dropAnswers: (stored: StoredJob) => StoredJob
  /** Writes the columns that may change. Deletes inputs that no attempt can need. */
  readonly put: (changed: ChangedJob) => void
  /** Writes progress and extends a lease. */
  readonly extend: (stored: StoredJob, until: number) => void
  /**
   * Keeps a row that is not the one that was written out of the queue until then; one that was kept
   * out before, until now, is deleted. Reads nothing of it.
   */
  readonly setAside: (place: number, until: number) => void
}

export interface ChangedJob extends StoredJob {
  /** When it becomes ready: null at once, or never if it has ended. */
  readonly dueAt: number | null
}

export function createJobTable(database: SqliteDatabase): JobTable {
  const insert = database.prepare(
    `INSERT INTO jobs (id, owner, key_id, request_id, model, kind, total, priority, attempts_max, webhook, created_at,
      bytes, inputs_sum, sum, status, version, done, attempts, is_ready)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 1, 0, 0, 1)`,
  )
  const insertInputs = database.prepare('INSERT INTO job_inputs VALUES (last_insert_rowid(), ?)')
  const removeInputs = database.prepare('DELETE FROM job_inputs WHERE place = ?')
  const update = database.prepare(
    `UPDATE jobs SET held_by = ?, status = ?, version = ?, done = ?, attempts = ?, error_code = ?, error_detail = ?,
      started_at = ?, finished_at = ?, expires_at = ?, is_ready = ?, due_at = ?, errors = ?,
      bytes = ? + coalesce(?, bytes - answer_bytes), answer_bytes = ?, answers_sum = ?, sum = ?
      WHERE place = ?`,
  )
  const prolong = database.prepare(
    `UPDATE jobs SET done = ?1, version = ?2, is_ready = 0, due_at = ?3, errors = ?4,
      bytes = bytes - answer_bytes + ?5, answer_bytes = ?5, answers_sum = ?6, sum = ?7 WHERE place = ?8`,
  )
  const hold = database.prepare(
    `UPDATE jobs SET is_ready = 0, due_at = ?, sum = ${damagedSum} WHERE place = ?`,
  )
  const remove = database.prepare(`DELETE FROM jobs WHERE place = ? AND sum = ${damagedSum}`)
  const { find, findOwned, findResult } = createJobFinder(database)
  const selectInputs = database.prepare<{ inputs: string }>('SELECT inputs FROM job_inputs WHERE place = ?')

  return {
    add(job) {
      const { id, owner, keyId, requestId, model, kind, total, priority } = job
      const { attemptsMax, webhook, createdAt } = job
      const cells = [id, owner, keyId, requestId, model, kind, total, priority]
      const accepted = acceptJob(job)
      const inputsSum = sumOfText(job.inputs)
      const sum = sumOfJob({ job: accepted, lease: null, answerBytes: 0, inputsSum, answersSum: 0 })
      insert.run(...cells, attemptsMax, webhook, createdAt, bytesOfNew([job]), inputsSum, sum)
      insertInputs.run(job.inputs)
      return accepted
    },
    find,
    findOwned,
    findResult,
    ...createAnswerTable(database),
    findInputs({ place, inputsSum }) {
      const inputs = unlessDamaged(() => selectInputs.get(place)?.inputs)
      return inputs !== undefined && sumOfText(inputs) === inputsSum ? inputs : undefined
    },
    put({ dueAt, ...stored }) {
      const { place, job, lease, answerBytes, answersSum } = stored
      const { status, version, done, attempts, error, startedAt, finishedAt, expiresAt, errors } = job
      const isReady = !hasEnded(status) && dueAt === null ? 1 : 0
      const state = [lease, status, version, done, attempts, error?.code ?? null, error?.detail ?? null]
      const times = [startedAt, finishedAt, expiresAt, isReady, dueAt]
      const bytes = needsInputs(status) ? null : rowBytes
      const sums = [answersSum, sumOfJob(stored)]
      update.run(...state, ...times, errors, answerBytes, bytes, answerBytes, ...sums, place)
      if (!needsInputs(status)) removeInputs.run(place)
    },
    extend(stored, until) {
      const { place, job, answerBytes, answersSum } = stored
      prolong.run(job.done, job.version, until, job.errors, answerBytes, answersSum, sumOfJob(stored), place)
    },
    setAside(place, until) {
      if (Number(remove.run(place).changes) === 0) hold.run(until, place)
    },
  }
}

function createAnswerTable(
  database: SqliteDatabase,
): Pick<JobTable, 'addAnswers' | 'countAnswers' | 'hasWholeAnswers' | 'dropAnswers'> {
  const insert = database.prepare('INSERT INTO job_answers VALUES (?, ?, ?)')
  const remove = database.prepare('DELETE FROM job_answers WHERE place = ?')
  const select = prepareAnswers(database)
  // What is not JSON counts as nothing.
  const count = database.prepare<{ answers: number | null }>(
    `SELECT sum(iif(json_valid(list), json_array_length(list), 0)) AS answers
      FROM (SELECT '[' || answers || ']' AS list FROM job_answers WHERE place = ?)`,
  )
  return {
    addAnswers(stored, added) {
      let { answersSum } = stored
      for (const { from, text } of added) {
        insert.run(stored.place, from, text)
        answersSum = sumOfText(text, answersSum)
      }
      return { ...stored, answerBytes: stored.answerBytes + bytesOfAnswers(added), answersSum }
    },
    countAnswers: (place) => count.get(place)?.answers ?? 0,
    hasWholeAnswers: (stored) =>
      stored.job.done > 0 === stored.answerBytes > 0 && isWhole(stored, select.all(stored.place)),
    dropAnswers(stored) {
      remove.run(stored.place)
      return { ...stored, job: { ...stored.job, done: 0, errors: 0 }, answerBytes: 0, answersSum: 0 }
    },
  }
}

/** Finds jobs by their ids. */
export function createJobFinder(
  database: SqliteDatabase,
): Pick<JobTable, 'find' | 'findOwned' | 'findResult'> {
  const select = database.prepareCells<JobCells>(`SELECT ${jobColumns} FROM jobs WHERE id = ?`)
  const selectAnswers = prepareAnswers(database)

  function find(id: string): StoredJob | undefined {
    const cells = select.get(id)
    if (cells === undefined) return undefined
    const found = readJob(cells)
    if (found.job.id !== id) throw new DamagedRow(`job ${id}`)
    return found
  }

  return {
    find,
    findOwned({ id, owner }) {
      const found = find(id)
      return owner === undefined || found?.job.owner === owner ? found : undefined
    },
    findResult(stored) {
      const { place, job } = stored
      if (!hasEnded(job.status) || job.done === 0) return null
      const rows = selectAnswers.all(place)
      if (!isWhole(stored, rows)) throw new DamagedRow(`job ${job.id}, its answers`)
      const text = rows.map(({ answers }) => answers).join()
      if (text === '') return null
      return job.kind === 'batch' ? `[${text}]` : text
    },
  }
}

interface AnswersRow {
  readonly answers: string
}

function prepareAnswers(database: SqliteDatabase): SqliteStatement<AnswersRow> {
  return database.prepare('SELECT answers FROM job_answers WHERE place = ? ORDER BY from_input')
}

function isWhole({ answersSum }: StoredJob, rows: readonly AnswersRow[]): boolean {
  return rows.reduce((sum, { answers }) => sumOfText(answers, sum), 0) === answersSum
}
