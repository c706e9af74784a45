import { endAttempt } from '../../../../jobs/transitions.ts'
import type { ChangeQueue } from '../change-queue.ts'
import { unlessDamaged } from '../damaged-row.ts'
import type { JobParts } from '../job-parts.ts'
import { type JobRow, readJob } from '../job-row.ts'
import { jobColumns } from '../sql/job-columns.ts'

/**
 * Claims that failed and may have leased jobs all the same: no worker works on these, and their
 * attempts would count.
 */
export interface UnheardClaims {
  /** @param lease what the names of its leases begin with */
  readonly note: (lease: string, now: number) => void
  /** Hands back what they have leased. */
  readonly handBack: (now: number) => Promise<void>
}

/** Claims that are remembered; what others have leased comes back when the leases end. */
const unheardMax = 100
/**
 * Milliseconds for which it is looked what they have leased: a server that was stopped executes the
 * statement when it goes on.
 */
const lookedMs = 10_000

export function createUnheardClaims(parts: JobParts, changes: ChangeQueue): UnheardClaims {
  const { query, schema } = parts.postgres
  const unheard = new Map<string, number>()
  return {
    note(lease, now) {
      if (unheard.size < unheardMax) unheard.set(lease, now)
    },
    async handBack(now) {
      for (const [lease, at] of unheard) {
        const rows = await query<JobRow>(
          `SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j
            WHERE j.status = 'running' AND j.held_by >= $1 AND j.held_by < $2`,
          // The slash comes right behind the full stop.
          [`${lease}.`, `${lease}/`],
        )
        await Promise.all(
          rows.map(async (row) => {
            // A damaged one is set aside by the claim that meets it when its lease has ended.
            const from = await unlessDamaged(() => readJob(parts, row))
            if (from === undefined) return undefined
            const end = { id: from.job.id, lease, end: 'released', expiresAt: now } as const
            return changes.change({ from, ...endAttempt(from.job, end, now), lease: null })
          }),
        )
        if (rows.length > 0 || Math.abs(now - at) > lookedMs) unheard.delete(lease)
      }
    },
  }
}
