import type { JobRecord } from '../../../jobs/job.ts'
import { endLost } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobParts } from './job-parts.ts'
import { type JobCells, jobColumns, readJob, type StoredJob } from './job-row.ts'
import { unlessDamaged } from './row-sums.ts'

/**
 * Due jobs handled by one claim, so that many at once do not delay the commit; the next claim goes
 * on.
 */
const dueMax = 10_000

/** Jobs that a claim met and leased to no worker. */
export interface PassedJobs {
  readonly ended: JobRecord[]
  readonly setAside: (place: number) => void
}

/**
 * Makes due jobs ready, and ends those whose attempts are used up. A running one stays with its
 * worker until another claims it.
 */
export function createDueJobs(
  database: SqliteDatabase,
  parts: JobParts,
): (now: number, keepMs: number, passed: PassedJobs) => void {
  const { turns } = parts
  const selectDue = database.prepare<{ place: number }>(
    `SELECT place FROM jobs WHERE due_at <= ? ORDER BY due_at LIMIT ${dueMax}`,
  )
  const select = database.prepareCells<JobCells>(`SELECT ${jobColumns} FROM jobs WHERE place = ?`)
  const makeReady = database.prepare('UPDATE jobs SET is_ready = 1, due_at = NULL WHERE place = ?')

  function readRow(place: number): StoredJob | undefined {
    const cells = select.get(place)
    return cells === undefined ? undefined : readJob(cells)
  }

  return (now, keepMs, passed) => {
    for (const { place } of selectDue.all(now)) {
      const due = unlessDamaged(() => readRow(place))
      if (due === undefined) {
        passed.setAside(place)
        continue
      }
      const { job } = due
      if (job.status === 'running' && job.attempts >= job.attemptsMax) {
        const transition = endLost(job, now, now + keepMs)
        parts.end(due, transition, now)
        passed.ended.push(transition.job)
        continue
      }
      makeReady.run(place)
      turns.noteReady(job.owner, job.model)
    }
  }
}
