import { servedAtOnceMax } from '../../../../jobs/share-places.ts'
import { settings } from './functions.ts'

/**
 * Owners who wait for a place in the model `m.model`.
 *
 * @param place whether they have one already
 */
function waitingFor(place: 'IN' | 'NOT IN'): string {
  return `SELECT t.owner FROM modelward.turns AS t CROSS JOIN LATERAL (
        SELECT FROM modelward.jobs AS j WHERE j.is_ready AND j.owner = t.owner AND j.model = t.model LIMIT 1
      ) AS ready
      WHERE t.model = m.model AND t.has_ready
        AND t.owner ${place} (SELECT r.owner FROM running AS r WHERE r.model = m.model)
      ORDER BY t.served, t.owner LIMIT ${servedAtOnceMax}`
}

/**
 * Owners who wait for places in these models: first those who have none, and of both those served
 * longest ago.
 */
export const waitingFunctions: readonly string[] = [
  `CREATE FUNCTION modelward.waiting_owners(p_models text[]) RETURNS TABLE (model text, owner text)
${settings} AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    WITH running AS MATERIALIZED (
      SELECT DISTINCT j.model, j.owner FROM modelward.jobs AS j WHERE j.status = 'running'
    )
    SELECT m.model, w.owner FROM unnest(p_models) AS m (model) CROSS JOIN LATERAL (
      (${waitingFor('NOT IN')}) UNION ALL (${waitingFor('IN')}) LIMIT ${servedAtOnceMax}
    ) AS w;
END $$`,
]
