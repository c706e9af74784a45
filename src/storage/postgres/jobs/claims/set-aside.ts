import type { JobRecord } from '../../../../jobs/job.ts'
import type { Postgres } from '../../postgres.ts'
import type { JobRow } from '../job-row.ts'

/** Jobs that a claim met and leased to no worker. */
export interface PassedJobs {
  readonly ended: JobRecord[]
  /** Ids of those that no node wrote as they stand. */
  readonly damaged: string[]
}

/**
 * Keeps damaged jobs out of the queue until then; those that were kept out before, until now, are
 * deleted. Nothing of them is believed.
 */
export async function setAside(
  { query, schema }: Postgres,
  damaged: readonly Pick<JobRow, 'place' | 'mac' | 'id'>[],
  until: number,
  passed: PassedJobs,
): Promise<void> {
  if (damaged.length === 0) return
  await query(`SELECT ${schema}.set_aside_jobs($1::bigint[], $2::bytea[], $3::bigint)`, [
    damaged.map(({ place }) => place),
    damaged.map(({ mac }) => mac),
    until,
  ])
  passed.damaged.push(...damaged.map(({ id }) => id))
}
