import { randomUUID } from 'node:crypto'
import type { JobRecord } from '../../../jobs/job.ts'
import type { ClaimedJob } from '../../../jobs/job-queue.ts'
import { beginAttempt, endUnread } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import { createDueJobs, type PassedJobs } from './job-due.ts'
import { createGiveWayFinder } from './job-give-way.ts'
import type { JobParts } from './job-parts.ts'
import type { StoredJob } from './job-row.ts'
import { unlessDamaged } from './row-sums.ts'

/** Leases jobs. */
export function createJobClaims(database: SqliteDatabase, parts: JobParts): SyncCalls<JobWrites>['claim'] {
  const { jobs, turns, changes } = parts
  const takeUpDue = createDueJobs(database, parts)
  const findGiveWay = createGiveWayFinder(database)
  const selectId = database.prepare<{ id: string }>('SELECT id FROM jobs WHERE place = ?')

  /** Undefined where its input can no longer be read. */
  function leaseJob(found: StoredJob, now: number, until: number): ClaimedJob | undefined {
    const inputs = jobs.findInputs(found)
    const stored = unlessDamaged(() => (jobs.hasWholeAnswers(found) ? found : jobs.dropAnswers(found)))
    if (inputs === undefined || stored === undefined) return undefined
    const begun = beginAttempt(stored.job, now)
    const lease = randomUUID()
    jobs.put({ ...stored, job: begun, lease, dueAt: until })
    changes.note(begun)
    return { ...begun, inputs, lease, answerBytes: stored.answerBytes }
  }

  return ({ max, inputCharactersMax = Number.POSITIVE_INFINITY, now, until, models, keepMs }) => {
    const ended: JobRecord[] = []
    const damaged: string[] = []
    const passed: PassedJobs = {
      ended,
      setAside(place) {
        damaged.push(selectId.get(place)?.id ?? `at ${place}`)
        jobs.setAside(place, now + keepMs)
      },
    }
    takeUpDue(now, keepMs, passed)
    const claimed: ClaimedJob[] = []
    let inputCharacters = 0
    while (claimed.length < max && inputCharacters < inputCharactersMax) {
      const next = turns.take(models, passed.setAside)
      if (next === undefined) break
      const job = leaseJob(next, now, until)
      if (job === undefined) {
        const transition = endUnread(next.job, now, now + keepMs)
        parts.end(next, transition, now)
        ended.push(transition.job)
        continue
      }
      inputCharacters += job.inputs.length
      claimed.push(job)
    }
    return { claimed, ended, damaged, giveWay: max === 0 ? findGiveWay(models) : [] }
  }
}
