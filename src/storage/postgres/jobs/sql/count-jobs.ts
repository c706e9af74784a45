import { onlyCommitted, settings } from './functions.ts'

/**
 * What owners store, and whose turn it is. Rows are locked in this order by everything that changes
 * jobs, so that no two wait for each other: kept answers, jobs, deliveries, owners, turns, turns of
 * deliveries, the count of all; of each the lowest first. A claim locks `totals`, then turns; jobs
 * it takes without waiting.
 */
export const countFunctions: readonly string[] = [
  // Counts for owners; who stores nothing any more is forgotten, with their turns.
  `CREATE FUNCTION modelward.count_for_owners(p_owners text[], p_jobs bigint[], p_bytes bigint[])
RETURNS void ${settings} AS $$
DECLARE
  v_emptied text[];
BEGIN
  INSERT INTO modelward.job_owners AS o (owner, jobs, bytes)
    SELECT u.owner, sum(u.jobs), sum(u.bytes) FROM unnest(p_owners, p_jobs, p_bytes) AS u (owner, jobs, bytes)
    GROUP BY u.owner HAVING sum(u.jobs) <> 0 OR sum(u.bytes) <> 0 ORDER BY u.owner COLLATE "C"
    ON CONFLICT (owner) DO UPDATE SET jobs = o.jobs + excluded.jobs, bytes = o.bytes + excluded.bytes;
  WITH emptied AS (
    DELETE FROM modelward.job_owners AS o WHERE o.owner = ANY (p_owners) AND o.bytes = 0 AND o.jobs = 0
    RETURNING o.owner
  )
  SELECT array_agg(owner) INTO v_emptied FROM emptied;
  IF v_emptied IS NOT NULL THEN
    DELETE FROM modelward.turns AS t WHERE t.owner = ANY (v_emptied);
    DELETE FROM modelward.delivery_turns AS t WHERE t.owner = ANY (v_emptied);
  END IF;
END $$`,
  // Notes which owners have ready jobs of which models. A new owner gets the last turn. That there
  // are no more is looked up once the row is locked: a change that adds one locks it before.
  `CREATE FUNCTION modelward.note_turns(p_owners text[], p_models text[], p_ready boolean[])
RETURNS void ${settings} AS $$
BEGIN
  ${onlyCommitted}
  INSERT INTO modelward.turns AS t (owner, model, served, has_ready)
    SELECT u.owner, u.model,
      coalesce(
        (SELECT max(own.served) FROM modelward.turns AS own WHERE own.owner = u.owner),
        (SELECT served FROM modelward.totals WHERE id = 1)),
      bool_or(u.ready)
    FROM unnest(p_owners, p_models, p_ready) AS u (owner, model, ready)
    GROUP BY u.owner, u.model ORDER BY u.owner COLLATE "C", u.model COLLATE "C"
    ON CONFLICT (owner, model) DO UPDATE SET has_ready = true WHERE excluded.has_ready AND NOT t.has_ready;
  IF false = ANY (p_ready) THEN
    UPDATE modelward.turns AS t SET has_ready = false
      FROM (SELECT DISTINCT owner, model FROM unnest(p_owners, p_models) AS u (owner, model)) AS u
      WHERE t.owner = u.owner AND t.model = u.model AND t.has_ready AND NOT EXISTS (
        SELECT FROM modelward.jobs AS j WHERE j.is_ready AND j.owner = t.owner AND j.model = t.model);
  END IF;
END $$`,
  // Notes when the first delivery of each of these owners is due, looked up once the row is locked.
  `CREATE FUNCTION modelward.note_delivery_turns(p_owners text[]) RETURNS void ${settings} AS $$
BEGIN
  INSERT INTO modelward.delivery_turns AS t (owner, due_at)
    SELECT DISTINCT u.owner COLLATE "C", NULL::bigint FROM unnest(p_owners) AS u (owner)
    ORDER BY u.owner COLLATE "C"
    ON CONFLICT (owner) DO UPDATE SET due_at = t.due_at WHERE false;
  UPDATE modelward.delivery_turns AS t SET due_at = d.due_at
    FROM unnest(p_owners) AS u (owner) CROSS JOIN LATERAL (
      SELECT min(due_at) AS due_at FROM modelward.deliveries AS d WHERE d.owner = u.owner AND d.due_at IS NOT NULL
    ) AS d
    WHERE t.owner = u.owner AND t.due_at IS DISTINCT FROM d.due_at;
END $$`,
]
