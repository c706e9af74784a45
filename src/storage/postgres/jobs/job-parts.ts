import type { Scheduler } from '../../../core/scheduler.ts'
import type { JobChange } from '../../../jobs/job-queue.ts'
import type { Postgres } from '../postgres.ts'
import type { JobRow, StoredJob } from './job-row.ts'
import { readJob } from './job-row.ts'
import type { KnownLeases } from './known-leases.ts'
import { jobColumns } from './sql/claim-jobs.ts'

/** What the calls of a store share. */
export interface JobParts {
  readonly postgres: Postgres
  readonly scheduler: Pick<Scheduler, 'yieldTurn'>
  /** Passes on what has been committed: to the watchers of this store, and to other nodes. */
  readonly notify: (change: JobChange) => void
  readonly known: KnownLeases
}

/** Whether the database can hold it; what it cannot hold is not there. */
export function isStorable(...texts: readonly (string | undefined)[]): boolean {
  return texts.every((text) => text === undefined || !text.includes('\0'))
}

/** The rows of these jobs, those that are there. */
export async function readJobs(
  { query, schema }: Pick<Postgres, 'query' | 'schema'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredJob>> {
  const storable = ids.filter((id) => isStorable(id))
  if (storable.length === 0) return new Map()
  const rows = await query<JobRow>(
    `SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j WHERE j.id = ANY ($1::text[])`,
    [storable],
  )
  return new Map(rows.map((row) => [row.id, readJob(row)]))
}
