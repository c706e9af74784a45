import { countedStatesMax, type JobStates } from '../../../jobs/job-queue.ts'
import type { SqliteDatabase } from '../database.ts'

/** Counts along an index, which SQLite uses or refuses the statement: never all jobs. */
const counted = (index: string, where: string): string =>
  `(SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY ${index} WHERE ${where} LIMIT ${countedStatesMax}))`

/** One statement, so that all numbers are of one moment. */
export const countStatesSql: string = `SELECT queued, running,
  ${counted('jobs_by_due_at', `due_at IS NOT NULL AND status = 'queued'`)} AS retrying,
  ${counted('jobs_by_status', `status = 'failed'`)} AS failed,
  ${counted('jobs_by_status', `status = 'dead'`)} AS dead
  FROM totals WHERE id = 1`

const noJobs: JobStates = { queued: 0, retrying: 0, running: 0, failed: 0, dead: 0 }

export function createStateCount(database: SqliteDatabase): () => JobStates {
  const statement = database.prepare<JobStates>(countStatesSql)
  return () => {
    const row = { ...noJobs, ...statement.get() }
    return { ...row, queued: row.queued - row.retrying }
  }
}
