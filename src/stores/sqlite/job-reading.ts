import { hasEnded, type JobRecord, jobStatuses } from '../../core/job.ts'
import type { JobQuery } from '../../core/job-queue.ts'
import type { DeliveryQuery, WebhookDelivery } from '../../core/webhook.ts'
import type { SqliteDatabase, SqliteStatement } from './database.ts'
import type { Carried, JobReads, JobThreadCalls, JobThreadData } from './job-calls.ts'
import { isExpired } from './job-changes.ts'
import { openJobDatabaseToRead } from './job-database.ts'
import { type DeliveryCells, decodeDelivery, deliveryColumns } from './job-delivery-row.ts'
import { decodeJob, type JobCells, jobColumns } from './job-row.ts'
import { createSecretFinder } from './job-secrets.ts'
import { createJobFinder } from './job-table.ts'
import { type WatchedFiles, watchFiles } from './watched-files.ts'

interface OpenJobs {
  readonly database: SqliteDatabase
  readonly files: WatchedFiles
  readonly reads: Carried<JobReads>
}

/** The reading side of the jobs, as a thread runs it, beside whoever writes them. */
export function createJobReader({ file }: JobThreadData): Pick<JobThreadCalls, 'read' | 'close'> {
  let open: OpenJobs | undefined

  function use(): OpenJobs {
    if (open === undefined) {
      const database = openJobDatabaseToRead(file)
      open = { database, files: watchFiles(file), reads: createJobReads(database) }
    }
    return open
  }

  return {
    read({ name, values }) {
      const { files, reads } = use()
      files.check()
      return (reads[name] as (...values: readonly unknown[]) => unknown)(...values)
    },
    close() {
      open?.database.close()
      open = undefined
    },
  }
}

/** All calls that only read, on an open database. */
export function createJobReads(database: SqliteDatabase): Carried<JobReads> {
  const { findOwned, findResult } = createJobFinder(database)
  const count = database.prepare<{ queued: number; running: number }>(
    'SELECT queued, running FROM totals WHERE id = 1',
  )
  return {
    findJob(address, now) {
      const found = findOwned(address)
      if (found === undefined || isExpired(found, now)) return undefined
      return { ...found.job, result: findResult(found.place) }
    },
    listJobs: createJobList(database),
    countJobs: () => ({ queued: 0, running: 0, ...count.get() }),
    listDeliveries: createDeliveryList(database),
    findWebhookSecrets: createSecretFinder(database),
  }
}

/** Behind every job there is: where the first page begins. */
const newest = { createdAt: Number.MAX_SAFE_INTEGER, id: '' }

function createJobList(database: SqliteDatabase): Carried<JobReads>['listJobs'] {
  const ofAll = createStatusMerge(database, '')
  const ofOwner = createStatusMerge(database, 'owner = :owner AND ')

  function list({ owner, status, limit, after = newest, now }: JobQuery): readonly JobRecord[] {
    const from = { at: after.createdAt, id: after.id, now, limit: limit + 1 }
    const statement = (owner === undefined ? ofAll : ofOwner)(status)
    const rows = statement.all(owner === undefined ? from : { ...from, owner })
    return rows.map((cells) => decodeJob(cells).job)
  }

  return (query) => {
    const jobs = list(query)
    return { jobs: jobs.slice(0, query.limit), hasMore: jobs.length > query.limit }
  }
}
