import { onlyCommitted, ownCount, settings } from './functions.ts'
import { jobColumns, typedColumns } from './job-columns.ts'

/** Longer inputs are read one by one: so many jobs of 256 KiB are no answer of one statement. */
const inlineCharacters = 65_536

/** Milliseconds in which a node must go on reading what it has claimed. */
const unreadMs = 2_000

/**
 * Leases ready jobs. Claims take turns by the lock of `totals`, which is the first statement that
 * decides anything: what a statement reads that holds its own lock is older than the lock, and two
 * claims would take one job. Of each model the first owners by their last turn, of each owner the
 * first jobs; of these every owner's first before any's second.
 *
 * Each owner's jobs are read as deep as an even share goes, and deeper only where some have fewer.
 */
export const claimFunctions: readonly string[] = [
  `CREATE FUNCTION modelward.claim_jobs(
    p_max int, p_characters bigint, p_models text[], p_now bigint, p_until bigint, p_lease text,
    p_skips_due boolean
  ) RETURNS TABLE (is_due boolean, ${typedColumns.map((column) => column.join(' ')).join(', ')}, inputs text)
${settings} AS $$
#variable_conflict use_column
DECLARE
  v_owners text[];
  v_turns bigint[];
  v_deep int;
  v_places bigint[];
  v_served_owners text[];
  v_served_last bigint[];
  v_served bigint;
BEGIN
  ${onlyCommitted}
  -- A look without the lock: an idle worker writes nothing.
  IF NOT p_skips_due AND EXISTS (SELECT FROM modelward.jobs AS j WHERE j.due_at <= p_now) THEN
    RETURN QUERY SELECT true, ${typedColumns.map(([, type]) => `NULL::${type}`).join(', ')}, NULL;
    RETURN;
  END IF;
  IF p_max < 1 OR NOT EXISTS (
    SELECT FROM modelward.turns AS t WHERE t.model = ANY (p_models) AND t.has_ready
  ) THEN RETURN; END IF;
  -- The answer is sent before the commit: a node that is frozen and does not read it would keep the
  -- lock, and all others from claiming.
  PERFORM set_config('tcp_user_timeout', '${unreadMs}', true);
  PERFORM FROM modelward.totals WHERE id = 1 FOR UPDATE;

  SELECT array_agg(f.owner), array_agg(f.served) INTO v_owners, v_turns FROM (
    SELECT t.owner, max(t.served) AS served
    FROM unnest(p_models) AS m (model) CROSS JOIN LATERAL (
      SELECT t.owner, t.served FROM modelward.turns AS t CROSS JOIN LATERAL (
        SELECT FROM modelward.jobs AS j WHERE j.is_ready AND j.owner = t.owner AND j.model = t.model LIMIT 1
      ) AS ready
      WHERE t.model = m.model AND t.has_ready ORDER BY t.served, t.owner LIMIT p_max
    ) AS t
    GROUP BY t.owner ORDER BY max(t.served), t.owner LIMIT p_max
  ) AS f;
  IF v_owners IS NULL THEN RETURN; END IF;
  v_deep := ceil(p_max::float8 / cardinality(v_owners));
  LOOP
    WITH ranked AS (
      SELECT j.place, j.characters, f.owner, f.turn,
        row_number() OVER (PARTITION BY f.owner ORDER BY j.priority DESC, j.place) AS round
      FROM unnest(v_owners, v_turns) WITH ORDINALITY AS f (owner, served, turn) CROSS JOIN LATERAL (
        SELECT j.place, j.priority, j.characters FROM unnest(p_models) AS m (model) CROSS JOIN LATERAL (
          SELECT j.place, j.priority, j.characters FROM modelward.jobs AS j
          WHERE j.is_ready AND j.owner = f.owner AND j.model = m.model
          ORDER BY j.priority DESC, j.place LIMIT v_deep
        ) AS j
        ORDER BY j.priority DESC, j.place LIMIT v_deep
      ) AS j
    ), numbered AS (
      SELECT place, owner, row_number() OVER (ORDER BY round, turn) AS number,
        sum(characters) OVER (ORDER BY round, turn) - characters AS before
      FROM ranked
    ), taken AS (SELECT place, owner, number FROM numbered WHERE number <= p_max AND before < p_characters)
    SELECT array_agg(place ORDER BY number),
        (SELECT array_agg(owner) FROM (SELECT owner FROM taken GROUP BY owner ORDER BY owner) AS o),
        (SELECT array_agg(last) FROM (SELECT max(number) AS last FROM taken GROUP BY owner ORDER BY owner) AS o)
      INTO v_places, v_served_owners, v_served_last FROM taken;
    EXIT WHEN v_deep >= p_max OR cardinality(v_places) >= p_max;
    -- Fewer for their characters, and not for want of jobs: deeper are later ones.
    EXIT WHEN (
      SELECT sum(characters) FROM modelward.jobs AS j WHERE j.place = ANY (v_places)
    ) >= p_characters;
    v_deep := least(p_max, v_deep * 4);
  END LOOP;
  -- They were cancelled in between.
  IF v_places IS NULL THEN RETURN; END IF;

  UPDATE modelward.totals AS t SET served = t.served + cardinality(v_places) WHERE id = 1
    RETURNING t.served - cardinality(v_places) INTO v_served;
  -- Once these are locked, every submission of a job of theirs has committed.
  PERFORM FROM modelward.turns AS t WHERE t.owner = ANY (v_served_owners) ORDER BY t.owner, t.model FOR UPDATE;
  RETURN QUERY
    WITH free AS (
      SELECT j.place FROM modelward.jobs AS j WHERE j.place = ANY (v_places) AND j.is_ready
      FOR NO KEY UPDATE SKIP LOCKED
    ), leased AS (
      UPDATE modelward.jobs AS j SET status = 'running', version = j.version + 1, attempts = j.attempts + 1,
          started_at = p_now, held_by = p_lease || '.' || j.place, is_ready = false, due_at = p_until
        FROM free WHERE j.place = free.place RETURNING ${jobColumns('j')}
    )
    SELECT false, l.*, i.inputs FROM unnest(v_places) WITH ORDINALITY AS taken (place, number)
      JOIN leased AS l ON l.place = taken.place
      LEFT JOIN modelward.job_inputs AS i ON i.place = l.place AND i.piece = 0 AND l.characters <= ${inlineCharacters}
      ORDER BY taken.number;
  UPDATE modelward.turns AS t SET served = v_served + s.last,
      -- EXISTS would read all ready jobs at once where it is planned for many owners.
      has_ready = (
        SELECT true FROM modelward.jobs AS j WHERE j.is_ready AND j.owner = t.owner AND j.model = t.model LIMIT 1
      ) IS NOT NULL
    FROM unnest(v_served_owners, v_served_last) AS s (owner, last) WHERE t.owner = s.owner;
END $$`,
  // Makes jobs ready whose time has come, and gives the places of all that it looked at. Those that
  // are lost, because their attempts are used up, the caller ends; those that were set aside it
  // deletes. A running one stays with its worker until another claims it.
  `CREATE FUNCTION modelward.ready_jobs(p_now bigint, p_max int)
RETURNS TABLE (place bigint, is_lost boolean) ${settings} AS $$
#variable_conflict use_column
DECLARE
  v_places bigint[] := ARRAY(
    SELECT j.place FROM modelward.jobs AS j WHERE j.due_at <= p_now ORDER BY j.due_at, j.place LIMIT p_max
    FOR NO KEY UPDATE SKIP LOCKED);
  v_owners text[];
  v_models text[];
BEGIN
  WITH ready AS (
    UPDATE modelward.jobs AS j SET is_ready = true, due_at = NULL
      WHERE j.place = ANY (v_places) AND NOT (j.status = 'running' AND j.attempts >= j.attempts_max) AND j.mac <> ''
      RETURNING j.owner, j.model
  ), pairs AS (SELECT DISTINCT owner, model FROM ready)
  SELECT array_agg(owner), array_agg(model) INTO v_owners, v_models FROM pairs;
  IF v_owners IS NOT NULL THEN
    PERFORM modelward.note_turns(v_owners, v_models, array_fill(true, ARRAY[cardinality(v_owners)]));
  END IF;
  RETURN QUERY SELECT p.place, j.due_at IS NOT NULL FROM unnest(v_places) AS p (place)
    JOIN modelward.jobs AS j ON j.place = p.place;
END $$`,
  // Keeps damaged jobs out of the queue until then, with a MAC that fits no row; deletes those that
  // were kept out so before. One that another node has met meanwhile has that MAC by now.
  `CREATE FUNCTION modelward.set_aside_jobs(p_places bigint[], p_macs bytea[], p_until bigint)
RETURNS void ${settings} AS $$
DECLARE
  v_places bigint[];
  v_gone bigint[];
  v_owners text[];
  v_bytes bigint[];
BEGIN
  v_places := ARRAY(
    SELECT j.place FROM unnest(p_places, p_macs) AS p (place, mac) JOIN modelward.jobs AS j ON j.place = p.place
    WHERE j.mac = p.mac ORDER BY j.place FOR UPDATE OF j);
  WITH gone AS (
    DELETE FROM modelward.jobs AS j WHERE j.place = ANY (v_places) AND j.mac = '' RETURNING j.place, j.owner, j.bytes
  )
  SELECT array_agg(place), array_agg(owner), array_agg(-bytes) INTO v_gone, v_owners, v_bytes FROM gone;
  UPDATE modelward.jobs AS j SET mac = '', status = 'queued', held_by = NULL, is_ready = false, due_at = p_until,
      expires_at = NULL
    WHERE j.place = ANY (v_places);
  IF v_gone IS NULL THEN RETURN; END IF;
  DELETE FROM modelward.job_inputs AS i WHERE i.place = ANY (v_gone);
  DELETE FROM modelward.job_answers AS a WHERE a.place = ANY (v_gone);
  PERFORM modelward.count_for_owners(v_owners, array_fill(-1, ARRAY[cardinality(v_gone)]), v_bytes);
  UPDATE modelward.job_counts AS c
    SET jobs = c.jobs - cardinality(v_gone), bytes = c.bytes + (SELECT sum(b) FROM unnest(v_bytes) AS b)
    WHERE ${ownCount};
END $$`,
]
