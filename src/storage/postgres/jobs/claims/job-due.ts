import { endLost } from '../../../../jobs/transitions.ts'
import type { ChangeQueue } from '../change-queue.ts'
import { unlessDamaged } from '../damaged-row.ts'
import type { JobParts } from '../job-parts.ts'
import { type JobRow, readJob } from '../job-row.ts'
import { jobColumns } from '../sql/job-columns.ts'
import { type PassedJobs, setAside } from './set-aside.ts'

/** Jobs whose time has come that one statement looks at. */
const dueAtOnce = 1_000
/** Such statements within one claim; the next claim goes on. */
const dueRounds = 10

/**
 * Makes due jobs ready, and ends those whose attempts are used up. A running one stays with its
 * worker until another claims it.
 */
export function createDueJobs(
  parts: JobParts,
  changes: ChangeQueue,
): (now: number, keepMs: number, passed: PassedJobs) => Promise<void> {
  const { postgres } = parts
  const { query, schema } = postgres

  async function endAll(
    places: readonly number[],
    now: number,
    keepMs: number,
    passed: PassedJobs,
  ): Promise<void> {
    if (places.length === 0) return
    const rows = await query<JobRow>(
      `SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j WHERE j.place = ANY ($1::bigint[])`,
      [places],
    )
    const damaged: JobRow[] = []
    const outcomes = await Promise.all(
      rows.map(async (row) => {
        const from = await unlessDamaged(() => readJob(parts, row))
        if (from === undefined) {
          damaged.push(row)
          return undefined
        }
        // Its worker may have renewed the lease meanwhile: then it is not due.
        return changes.change({ from, ...endLost(from.job, now, now + keepMs), lease: null, ifDueBy: now })
      }),
    )
    for (const outcome of outcomes)
      if (outcome !== undefined && 'changed' in outcome) passed.ended.push(outcome.changed.job)
    await setAside(postgres, damaged, now + keepMs, passed)
  }

  return async (now, keepMs, passed) => {
    for (let round = 0; round < dueRounds; round += 1) {
      const due = await query<{ readonly place: number; readonly is_lost: boolean }>(
        `SELECT * FROM ${schema}.ready_jobs($1::bigint, $2::int)`,
        [now, dueAtOnce],
      )
      const lost = due.filter(({ is_lost }) => is_lost).map(({ place }) => place)
      await endAll(lost, now, keepMs, passed)
      if (due.length < dueAtOnce) break
    }
  }
}
