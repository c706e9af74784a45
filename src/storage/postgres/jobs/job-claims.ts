import { randomUUID } from 'node:crypto'
import type { JobRecord } from '../../../jobs/job.ts'
import type { ClaimedJob, ClaimOutcome, JobClaim, JobQueue } from '../../../jobs/job-queue.ts'
import { endUnread } from '../../../jobs/transitions.ts'
import type { Postgres } from '../postgres.ts'
import type { ChangeQueue } from './change-queue.ts'
import { findGiveWay } from './give-way.ts'
import { createDueJobs } from './job-due.ts'
import { readInputs } from './job-inputs.ts'
import type { JobParts } from './job-parts.ts'
import { type JobRow, readJob } from './job-row.ts'
import { createUnheardClaims } from './unheard-claims.ts'

type ClaimRow = JobRow & { readonly is_due: boolean; readonly inputs: string | null }

/** Leases jobs. */
export function createJobClaims(parts: JobParts, changes: ChangeQueue): JobQueue['claim'] {
  const { postgres, known, notify } = parts
  const takeUpDue = createDueJobs(parts, changes)
  const unheard = createUnheardClaims(parts, changes)

  /** The job with its inputs; undefined where they are gone, with it, or it has failed for that. */
  async function claimedOf(
    row: ClaimRow,
    { now, keepMs }: JobClaim,
    ended: JobRecord[],
  ): Promise<ClaimedJob | undefined> {
    const stored = readJob(row)
    const { job, lease, answerBytes } = stored
    const inputs = row.inputs ?? (await readInputs(postgres, stored))
    if (inputs !== undefined) {
      known.note(stored)
      return { ...job, inputs, lease: lease ?? '', answerBytes }
    }
    const outcome = await changes.change({ from: stored, ...endUnread(job, now, now + keepMs), lease: null })
    if ('changed' in outcome) ended.push(outcome.changed.job)
    return undefined
  }

  async function claimAs(lease: string, claim: JobClaim): Promise<ClaimOutcome> {
    const ended: JobRecord[] = []
    let rows = await askFor(postgres, claim, lease, false)
    if (rows[0]?.is_due === true) {
      ended.push(...(await takeUpDue(claim.now, claim.keepMs)))
      rows = await askFor(postgres, claim, lease, true)
    }
    if (rows.length > 0) notify({ jobs: rows.map((row) => readJob(row).job), isDue: false })
    const claimed: ClaimedJob[] = []
    for (const row of rows) {
      const job = await claimedOf(row, claim, ended)
      if (job !== undefined) claimed.push(job)
    }
    const giveWay = claim.max === 0 ? await findGiveWay(postgres, claim.models) : []
    return { claimed, ended, damaged: [], giveWay }
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
