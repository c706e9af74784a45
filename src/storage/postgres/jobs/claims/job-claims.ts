import { randomUUID } from 'node:crypto'
import type { ClaimedJob, ClaimOutcome, JobClaim, JobQueue } from '../../../../jobs/job-queue.ts'
import type { Postgres } from '../../postgres.ts'
import type { ChangeQueue } from '../change-queue.ts'
import type { JobParts } from '../job-parts.ts'
import { findGiveWay } from '../turns/give-way.ts'
import { createDueJobs } from './job-due.ts'
import { type ClaimRow, createClaimReads } from './read-claimed.ts'
import type { PassedJobs } from './set-aside.ts'
import { createUnheardClaims } from './unheard-claims.ts'

/** Leases jobs. */
export function createJobClaims(parts: JobParts, changes: ChangeQueue): JobQueue['claim'] {
  const { postgres, notify } = parts
  const takeUpDue = createDueJobs(parts, changes)
  const unheard = createUnheardClaims(parts, changes)
  const { readRows, readTexts } = createClaimReads(parts, changes)

  async function claimAs(lease: string, claim: JobClaim): Promise<ClaimOutcome> {
    const passed: PassedJobs = { ended: [], damaged: [] }
    let rows = await askFor(postgres, claim, lease, false)
    if (rows[0]?.is_due === true) {
      await takeUpDue(claim.now, claim.keepMs, passed)
      rows = await askFor(postgres, claim, lease, true)
    }
    const leased = await readRows(rows, claim, passed)
    if (leased.length > 0) notify({ jobs: leased.map(({ stored }) => stored.job), isDue: false })
    const claimed: ClaimedJob[] = []
    for (const one of leased) {
      const job = await readTexts(one, claim, passed)
      if (job !== undefined) claimed.push(job)
    }
    const giveWay = claim.max === 0 ? await findGiveWay(postgres, claim.models) : []
    return { claimed, ...passed, giveWay }
  }

  return async (claim) => {
    await unheard.handBack(claim.now)
    const lease = randomUUID()
    try {
      return await claimAs(lease, claim)
    } catch (fault) {
      unheard.note(lease, claim.now)
      throw fault
    }
  }
}

/** @param skipsDue whether due jobs have been taken up, as far as they can be */
function askFor(
  { query, schema }: Postgres,
  { max, inputCharactersMax = Number.MAX_SAFE_INTEGER, models, now, until }: JobClaim,
  lease: string,
  skipsDue: boolean,
): Promise<readonly ClaimRow[]> {
  const characters = Math.min(inputCharactersMax, Number.MAX_SAFE_INTEGER)
  return query<ClaimRow>(
    `SELECT * FROM ${schema}.claim_jobs($1::int, $2::bigint, $3::text[], $4::bigint, $5::bigint, $6, $7)`,
    [Math.max(0, max), characters, models, now, until, lease, skipsDue],
  )
}
