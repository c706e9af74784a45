import { type JobRecord, type JobStatus, jobStatuses } from '../../../jobs/job.ts'
import { isExpired } from '../../../jobs/transitions.ts'
import type { DeliveryQuery } from '../../../webhooks/outbox.ts'
import { isLonger } from '../../job-row-bytes.ts'
import type { SqliteDatabase, SqliteStatement } from '../database.ts'
import { type DeliveryCells, decodeDelivery, deliveryColumns } from './delivery-row.ts'
import {
  execute,
  type JobReads,
  type JobThreadCalls,
  type JobThreadData,
  type SyncCalls,
} from './job-calls.ts'
import { createLazyDatabase, openJobDatabaseToRead } from './job-database.ts'
import { createDeliveryFinder } from './job-outbox.ts'
import { isWholeJob, type JobCells, jobColumns, readJob } from './job-row.ts'
import { createSecretFinder } from './job-secrets.ts'
import { createStateCount } from './job-states.ts'
import { createJobFinder } from './job-table.ts'
import { DamagedRow } from './row-sums.ts'

/** The reading side of the jobs, run by a thread, beside the writers. */
export function createJobReader({ file }: JobThreadData): Pick<JobThreadCalls, 'read' | 'close'> {
  const jobs = createLazyDatabase(file, openJobDatabaseToRead, (database) => ({
    reads: createJobReads(database),
  }))
  return {
    read(call) {
      const { files, reads } = jobs.use()
      files.check()
      return execute(reads, call)
    },
    close: jobs.close,
  }
}

/** All reads, on an open database. */
export function createJobReads(database: SqliteDatabase): SyncCalls<JobReads> {
  const { findOwned, findResult } = createJobFinder(database)
  const count = database.prepare<{ queued: number; running: number }>(
    'SELECT queued, running FROM totals WHERE id = 1',
  )
  return {
    findJob(address, now, resultMax) {
      const found = findOwned(address)
      if (found === undefined || isExpired(found.job, now)) return undefined
      if (isLonger(found.answerBytes, resultMax)) return found.job
      return { ...found.job, result: findResult(found) }
    },
    listJobs: createJobList(database),
    listEnded: createEndedList(database),
    countJobs: () => ({ queued: 0, running: 0, ...count.get() }),
    countStates: createStateCount(database),
    listDeliveries: createDeliveryList(database),
    findDelivery: createDeliveryFinder(database),
    findWebhookSecrets: createSecretFinder(database),
  }
}

/** After every job: where the first page begins. */
const newest = { createdAt: Number.MAX_SAFE_INTEGER, id: '' }

function createJobList(database: SqliteDatabase): SyncCalls<JobReads>['listJobs'] {
  const all = createStatusLists(database, false)
  const owned = createStatusLists(database, true)

  return ({ owner, status, limit, after = newest, now }) => {
    const list = (owner === undefined ? all : owned)[status ?? 'any']
    const { jobs, damaged } = readWhole(limit + 1, (last, count) => {
      const [createdAt, id] = last === undefined ? [after.createdAt, after.id] : [last[12], last[2]]
      return list.all(createdAt, id, now, count, ...(owner === undefined ? [] : [owner]))
    })
    const isOthers = owner !== undefined && jobs.some((job) => job.owner !== owner)
    if (isOthers) throw new DamagedRow(`the list of jobs of ${owner}`)
    return {
      jobs: jobs.slice(0, limit),
      hasMore: jobs.length > limit,
      ...(damaged.length > 0 && { damaged }),
    }
  }
}

/** Damaged rows that a list leaves out at most: with more, the file is of no use. */
const damagedMax = 100

/**
 * Reads jobs in an order. Rows that are not those that were written are left out and named, so that
 * one hides no other.
 *
 * @param select the next rows behind the last one
 * @throws DamagedRow for the hundredth of them
 */
function readWhole(
  wanted: number,
  select: (last: JobCells | undefined, count: number) => readonly JobCells[],
): { readonly jobs: readonly JobRecord[]; readonly damaged: readonly string[] } {
  const jobs: JobRecord[] = []
  const damaged: string[] = []
  for (let last: JobCells | undefined; ; ) {
    const count = wanted - jobs.length
    const rows = select(last, count)
    for (const cells of rows) {
      if (isWholeJob(cells)) jobs.push(readJob(cells).job)
      else if (damaged.push(cells[2]) === damagedMax)
        throw new DamagedRow(`job ${cells[2]}, and of many more`)
    }
    if (rows.length < count || jobs.length === wanted) return { jobs, damaged }
    last = rows.at(-1)
  }
}

function createEndedList(database: SqliteDatabase): SyncCalls<JobReads>['listEnded'] {
  const list = database.prepareCells<JobCells>(
    `SELECT ${jobColumns} FROM jobs WHERE finished_at IS NOT NULL AND (finished_at, id) < (?1, ?2)
      ORDER BY finished_at DESC, id DESC LIMIT ?3`,
  )
  return ({ limit, after = { finishedAt: newest.createdAt, id: newest.id } }) =>
    readWhole(limit, (last, count) =>
      last === undefined
        ? list.all(after.finishedAt, after.id, count)
        : list.all(last[20] ?? after.finishedAt, last[2], count),
    ).jobs
}

type StatusLists = Readonly<Record<JobStatus | 'any', SqliteStatement<JobCells>>>

/**
 * Each index is by status: all jobs are a merge of six sorted lists, which reads no more rows than
 * it returns.
 */
function createStatusLists(database: SqliteDatabase, isOwned: boolean): StatusLists {
  function list(statuses: readonly JobStatus[]): SqliteStatement<JobCells> {
    const lists = statuses.map(
      (
        status,
      ) => `SELECT ${jobColumns} FROM jobs WHERE ${isOwned ? 'owner = ?5 AND ' : ''}status = '${status}'
        AND (created_at, id) < (?1, ?2) AND (expires_at IS NULL OR expires_at > ?3)`,
    )
    return database.prepareCells(`${lists.join(' UNION ALL ')} ORDER BY created_at DESC, id DESC LIMIT ?4`)
  }
  return {
    any: list(jobStatuses),
    queued: list(['queued']),
    running: list(['running']),
    succeeded: list(['succeeded']),
    failed: list(['failed']),
    cancelled: list(['cancelled']),
    dead: list(['dead']),
  }
}

function createDeliveryList(database: SqliteDatabase): SyncCalls<JobReads>['listDeliveries'] {
  const prepare = (where: string): SqliteStatement<DeliveryCells> =>
    database.prepareCells(`SELECT ${deliveryColumns} FROM deliveries ${where} ORDER BY place DESC LIMIT ?1`)
  const all = prepare('')
  const ofOwner = prepare('WHERE owner = ?2')
  // The plus hides the index on owners from SQLite: a job has few deliveries, an owner many.
  const ofJob = prepare('WHERE job_id = ?2 AND (?3 IS NULL OR +owner = ?3)')

  function select({ jobId, owner, limit }: DeliveryQuery): DeliveryCells[] {
    if (jobId !== undefined) return ofJob.all(limit, jobId, owner ?? null)
    return owner === undefined ? all.all(limit) : ofOwner.all(limit, owner)
  }

  return (query) => select(query).map((cells) => ({ ...decodeDelivery(cells), lease: null }))
}
