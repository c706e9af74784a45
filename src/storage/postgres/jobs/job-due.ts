import type { JobRecord } from '../../../jobs/job.ts'
import { endLost } from '../../../jobs/transitions.ts'
import type { ChangeQueue } from './change-queue.ts'
import type { JobParts } from './job-parts.ts'
import { type JobRow, readJob } from './job-row.ts'
import { jobColumns } from './sql/claim-jobs.ts'

/** Jobs whose time has come that one statement looks at. */
const dueAtOnce = 1_000
/** Such statements within one claim; the next claim goes on. */
const dueRounds = 10

/**
 * Makes due jobs ready, and ends those whose attempts are used up; gives these. A running one stays
 * with its worker until another claims it.
 */
export function createDueJobs(
  { postgres }: JobParts,
  changes: ChangeQueue,
): (now: number, keepMs: number) => Promise<readonly JobRecord[]> {
  const { query, schema } = postgres

  async function endAll(
    places: readonly number[],
    now: number,
    keepMs: number,
  ): Promise<readonly JobRecord[]> {
    if (places.length === 0) return []
    const rows = await query<JobRow>(
      `SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j WHERE j.place = ANY ($1::bigint[])`,
      [places],
    )
    const outcomes = await Promise.all(
      rows.map((row) => {
        const from = readJob(row)
        // Its worker may have renewed the lease meanwhile: then it is not due.
        return changes.change({ from, ...endLost(from.job, now, now + keepMs), lease: null, ifDueBy: now })
      }),
    )
    return outcomes.flatMap((outcome) => ('changed' in outcome ? outcome.changed.job : []))
  }

  return async (now, keepMs) => {
    const ended: JobRecord[] = []
    for (let round = 0; round < dueRounds; round += 1) {
      const due = await query<{ readonly place: number; readonly is_lost: boolean }>(
        `SELECT * FROM ${schema}.ready_jobs($1::bigint, $2::int)`,
        [now, dueAtOnce],
      )
      const lost = due.filter(({ is_lost }) => is_lost).map(({ place }) => place)
      ended.push(...(await endAll(lost, now, keepMs)))
      if (due.length < dueAtOnce) break
    }
    return ended
  }
}
