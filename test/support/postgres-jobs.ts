import { onTestFinished } from 'vitest'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import { openPostgres, type Postgres } from '../../src/storage/postgres/postgres.ts'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { macs } from '../contract/row-macs.ts'
import { openTestSchema, unhurried } from './services.ts'

/** Stores on one schema, as many nodes have them. They end with the test. */
export interface PostgresJobs {
  readonly url: string
  readonly stores: readonly [JobStore, ...JobStore[]]
  /** Of the first node, to look past the port. */
  readonly postgres: Postgres
}

/**
 * @param url of a server of the test's own, to be harmed: with the deadlines that nodes have. A
 *   schema on the shared one else, without hurry
 */
export async function openPostgresJobs(nodes = 1, url?: string): Promise<PostgresJobs> {
  const schema = url === undefined ? await openTestSchema() : { url, drop: async () => {} }
  if (url !== undefined) await prepareSchema(url)
  onTestFinished(schema.drop)
  const deadlines = url === undefined ? unhurried : {}
  const opened = await Promise.all(
    Array.from({ length: nodes }, (_, node) => openNode(schema.url, `node ${node}`, deadlines)),
  )
  const [first, ...others] = opened
  if (first === undefined) throw new Error('there is a node')
  return {
    url: schema.url,
    stores: [first.store, ...others.map(({ store }) => store)],
    postgres: first.postgres,
  }
}

async function openNode(
  url: string,
  node: string,
  deadlines: Partial<typeof unhurried>,
): Promise<{ readonly store: JobStore; readonly postgres: Postgres }> {
  const postgres = await openPostgres({ ...deadlines, url, fault: 'store_unavailable', connectionsMax: 4 })
  const store = await openPostgresJobStore({ postgres, macs, url, node })
  onTestFinished(async () => {
    await store.close()
    await postgres.close()
  })
  return { store, postgres }
}

/** What the counts say beside what they count: empty where they agree. */
export async function findMiscounts({ query, schema }: Postgres): Promise<readonly unknown[]> {
  return query(`
    WITH stored AS (
      SELECT owner, (status IN ('queued', 'running'))::int AS jobs, bytes FROM ${schema}.jobs
      UNION ALL SELECT owner, 0, bytes FROM ${schema}.kept_answers
      UNION ALL SELECT owner, 0, bytes FROM ${schema}.deliveries
    ), counted AS (SELECT owner, sum(jobs) AS jobs, sum(bytes) AS bytes FROM stored GROUP BY owner),
    owners AS (SELECT owner, jobs, bytes FROM ${schema}.job_owners),
    turns AS (
      SELECT DISTINCT owner, model FROM ${schema}.jobs WHERE is_ready
    ), marked AS (SELECT owner, model FROM ${schema}.turns WHERE has_ready)
    SELECT 'owner' AS what, owner FROM ((SELECT * FROM counted EXCEPT SELECT * FROM owners)
      UNION ALL (SELECT * FROM owners EXCEPT SELECT * FROM counted)) AS o
    UNION ALL SELECT 'turn', owner FROM ((SELECT * FROM turns EXCEPT SELECT * FROM marked)
      UNION ALL (SELECT * FROM marked EXCEPT SELECT * FROM turns)) AS t
    UNION ALL SELECT 'all', NULL WHERE (SELECT format('%s %s', sum(jobs), sum(bytes)) FROM ${schema}.job_counts)
      <> (SELECT format('%s %s', coalesce(sum(jobs), 0), coalesce(sum(bytes), 0)) FROM stored)
    UNION ALL SELECT 'text', NULL WHERE EXISTS (SELECT FROM ${schema}.job_inputs AS i WHERE NOT EXISTS (
      SELECT FROM ${schema}.jobs AS j WHERE j.place = i.place)
      AND NOT EXISTS (SELECT FROM ${schema}.texts_ahead AS a WHERE a.place = i.place))
    UNION ALL SELECT 'answers', NULL WHERE EXISTS (SELECT FROM ${schema}.job_answers AS t WHERE NOT EXISTS (
      SELECT FROM ${schema}.jobs AS j WHERE j.place = t.place))
    UNION ALL SELECT 'delivery turn', owner FROM (
      SELECT owner, min(due_at) FROM ${schema}.deliveries WHERE due_at IS NOT NULL GROUP BY owner
      EXCEPT SELECT owner, due_at FROM ${schema}.delivery_turns) AS d`)
}
