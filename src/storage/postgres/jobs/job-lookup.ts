import type { CallOutcome } from '../../group-commit/call-queue.ts'
import { isStorable } from '../storable-text.ts'
import type { JobParts } from './job-parts.ts'
import { type JobRow, readJob, type StoredJob } from './job-row.ts'
import { jobColumns } from './sql/job-columns.ts'
import { createStatementQueue } from './statement-queue.ts'

/** Finds jobs by their ids. */
export interface JobLookup {
  readonly find: (id: string) => Promise<StoredJob | undefined>
  readonly settled: () => Promise<void>
}

/** Looks that come together share a statement: a thousand who poll need no thousand connections. */
export function createJobLookup(parts: Pick<JobParts, 'postgres' | 'macs'>): JobLookup {
  const { query, schema, name } = parts.postgres

  function outcomeOf(row: JobRow): CallOutcome<StoredJob | undefined> {
    try {
      return { value: readJob(parts, row) }
    } catch (failure) {
      return { failure }
    }
  }

  const queue = createStatementQueue({
    name,
    weigh: () => 1,
    async send(ids: readonly string[]) {
      try {
        const rows = await query<JobRow>(
          `SELECT ${jobColumns('j')} FROM ${schema}.jobs AS j WHERE j.id = ANY ($1::text[])`,
          [[...new Set(ids)]],
        )
        const found = new Map(rows.map((row) => [row.id, outcomeOf(row)]))
        return ids.map((id) => found.get(id) ?? { value: undefined })
      } catch (failure) {
        return ids.map(() => ({ failure }))
      }
    },
  })
  return {
    find: async (id) => (isStorable(id) ? queue.add(id) : undefined),
    settled: queue.settled,
  }
}
