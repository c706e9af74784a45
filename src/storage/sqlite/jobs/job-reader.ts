import { type JobStatus, jobStatuses } from '../../../jobs/job.ts'
import type { DeliveryQuery } from '../../../webhooks/outbox.ts'
import type { SqliteDatabase, SqliteStatement } from '../database.ts'
import {
  execute,
  type JobReads,
  type JobThreadCalls,
  type JobThreadData,
  type SyncCalls,
} from './job-calls.ts'
import { isExpired } from './job-changes.ts'
import { createLazyDatabase, openJobDatabaseToRead } from './job-database.ts'
import { createDeliveryFinder, type DeliveryCells, decodeDelivery, deliveryColumns } from './job-outbox.ts'
import { createSecretFinder } from './job-secrets.ts'
import { createJobFinder, decodeJob, type JobCells, jobColumns } from './job-table.ts'

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
    findJob(address, now) {
      const found = findOwned(address)
      if (found === undefined || isExpired(found, now)) return undefined
      return { ...found.job, result: findResult(found) }
    },
    listJobs: createJobList(database),
    listEnded: createEndedList(database),
    countJobs: () => ({ queued: 0, running: 0, ...count.get() }),
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
    const values = [after.createdAt, after.id, now, limit + 1]
    const rows = list.all(...values, ...(owner === undefined ? [] : [owner]))
    const jobs = rows.map((cells) => decodeJob(cells).job)
    return { jobs: jobs.slice(0, limit), hasMore: jobs.length > limit }
  }
}

function createEndedList(database: SqliteDatabase): SyncCalls<JobReads>['listEnded'] {
  const list = database.prepareCells<JobCells>(
    `SELECT ${jobColumns} FROM jobs WHERE finished_at IS NOT NULL AND (finished_at, id) < (?1, ?2)
      ORDER BY finished_at DESC, id DESC LIMIT ?3`,
  )
  return ({ limit, after = { finishedAt: newest.createdAt, id: newest.id } }) =>
    list.all(after.finishedAt, after.id, limit).map((cells) => decodeJob(cells).job)
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
