import { randomUUID } from 'node:crypto'
import type { JobRecord } from '../../../jobs/job.ts'
import type { ClaimedJob } from '../../../jobs/job-queue.ts'
import { beginAttempt, endLost } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import { createGiveWayFinder } from './job-give-way.ts'
import type { JobParts } from './job-parts.ts'
import { decodeJob, type JobCells, jobColumns, type StoredJob } from './job-table.ts'

/**
 * Due jobs handled by one claim, so that many at once do not delay the commit; the next claim goes
 * on.
 */
const dueMax = 10_000

/** Leases jobs. */
export function createJobClaims(database: SqliteDatabase, parts: JobParts): SyncCalls<JobWrites>['claim'] {
  const { jobs, turns, changes } = parts
  const findGiveWay = createGiveWayFinder(database)
  const selectDue = database.prepareCells<JobCells>(
    `SELECT ${jobColumns} FROM jobs WHERE due_at <= ? ORDER BY due_at LIMIT ${dueMax}`,
  )
  const makeReady = database.prepare('UPDATE jobs SET is_ready = 1, due_at = NULL WHERE place = ?')

  /**
   * Makes due jobs ready. A running one stays with its worker until another claims it. Returns the
   * jobs that are dead instead.
   */
  function takeUpDue(now: number, keepMs: number): readonly JobRecord[] {
    const dead: JobRecord[] = []
    for (const cells of selectDue.all(now)) {
      const due = decodeJob(cells)
      const { place, job } = due
      if (job.status === 'running' && job.attempts >= job.attemptsMax) {
        const transition = endLost(job, now, now + keepMs)
        parts.end(due, transition, now)
        dead.push(transition.job)
        continue
      }
      makeReady.run(place)
      turns.noteReady(job.owner, job.model)
    }
    return dead
  }

  function leaseJob(found: StoredJob, now: number, until: number): ClaimedJob {
    const isConsistent = found.job.done > 0 === found.answerBytes > 0
    const { place, job, answerBytes } = isConsistent ? found : jobs.dropAnswers(found)
    const begun = beginAttempt(job, now)
    const lease = randomUUID()
    jobs.put({ place, job: begun, lease, dueAt: until, answerBytes })
    changes.note(begun)
    return { ...begun, inputs: jobs.findInputs(place), lease, answerBytes }
  }

  return ({ max, inputCharactersMax = Number.POSITIVE_INFINITY, now, until, models, keepMs }) => {
    const dead = takeUpDue(now, keepMs)
    const claimed: ClaimedJob[] = []
    let inputCharacters = 0
    while (claimed.length < max && inputCharacters < inputCharactersMax) {
      const next = turns.take(models)
      if (next === undefined) break
      const job = leaseJob(next, now, until)
      inputCharacters += job.inputs.length
      claimed.push(job)
    }
    return { claimed, dead, giveWay: max === 0 ? findGiveWay(models) : [] }
  }
}
