import type { GiveWay } from '../../../../jobs/job-queue.ts'
import { sharePlaces } from '../../../../jobs/share-places.ts'
import type { Postgres } from '../../postgres.ts'

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
  const waiting = await query<Waiting>(`SELECT * FROM ${schema}.waiting_owners($1::text[])`, [models])
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
