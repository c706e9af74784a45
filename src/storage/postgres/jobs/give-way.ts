import type { GiveWay } from '../../../jobs/job-queue.ts'
import { servedAtOnceMax, sharePlaces } from '../../../jobs/share-places.ts'
import type { Postgres } from '../postgres.ts'

interface Waiting {
  readonly model: string
  readonly owner: string
}

/**
 * Finds whose running jobs of these models hold places that other owners wait for. Owners who have
 * none come first, and of both those served longest ago.
 */
export async function findGiveWay(
  { query, schema }: Pick<Postgres, 'query' | 'schema'>,
  models: readonly string[],
): Promise<readonly GiveWay[]> {
  const waiting = await query<Waiting>(
    `WITH running AS MATERIALIZED (
      SELECT DISTINCT j.model, j.owner FROM ${schema}.jobs AS j WHERE j.status = 'running'
    )
    SELECT m.model, w.owner FROM unnest($1::text[]) AS m (model) CROSS JOIN LATERAL (
      (${waitingText(schema, 'NOT IN')}) UNION ALL (${waitingText(schema, 'IN')}) LIMIT ${servedAtOnceMax}
    ) AS w`,
    [models],
  )
  if (waiting.length === 0) return []
  const running = await query<Waiting & { readonly jobs: number }>(
    `SELECT j.model, j.owner, count(*) AS jobs FROM ${schema}.jobs AS j WHERE j.status = 'running'
      AND j.model = ANY ($1::text[]) GROUP BY j.model, j.owner ORDER BY j.model, j.owner`,
    [models],
  )
  return [...Map.groupBy(waiting, ({ model }) => model)].flatMap(([model, owners]) => {
    const places = running.filter((row) => row.model === model).map((row) => [row.owner, row.jobs] as const)
    return sharePlaces(
      places,
      owners.map(({ owner }) => owner),
    ).map(([owner, jobs]) => ({ owner, model, jobs }))
  })
}

/** Owners who wait for a place in the model `m.model`. @param place whether they have one already */
function waitingText(schema: string, place: 'IN' | 'NOT IN'): string {
  return `SELECT t.owner FROM ${schema}.turns AS t CROSS JOIN LATERAL (
      SELECT FROM ${schema}.jobs AS j WHERE j.is_ready AND j.owner = t.owner AND j.model = t.model LIMIT 1
    ) AS ready
    WHERE t.model = m.model AND t.has_ready
      AND t.owner ${place} (SELECT r.owner FROM running AS r WHERE r.model = m.model)
    ORDER BY t.served, t.owner LIMIT ${servedAtOnceMax}`
}
