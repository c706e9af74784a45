import { ownCount, settings } from './functions.ts'

/**
 * Accepts all of these jobs with the answers that name them, or none; `full_owners` are those whose
 * own bounds keep it from that. Counts are raised first and looked at then: an owner's row is
 * locked from there on, so that their bounds are exact. What a look without a lock shows as full is
 * refused without a write.
 */
export const submitFunctions: readonly string[] = [
  `CREATE FUNCTION modelward.submit_jobs(
    p_jobs json, p_inputs bytea, p_answers json, p_sealed bytea,
    p_owners text[], p_owner_jobs bigint[], p_owner_bytes bigint[], p_turn_owners text[], p_turn_models text[],
    p_ahead bigint[], p_jobs_max bigint, p_owner_jobs_max bigint, p_bytes_max bigint, p_owner_bytes_max bigint
  ) RETURNS TABLE (outcome text, full_owners text[]) ${settings} AS $$
#variable_conflict use_column
DECLARE
  v_jobs bigint := coalesce((SELECT sum(n) FROM unnest(p_owner_jobs) AS n), 0);
  v_bytes bigint := coalesce((SELECT sum(n) FROM unnest(p_owner_bytes) AS n), 0);
  v_all_jobs bigint;
  v_all_bytes bigint;
  v_jobs_full text[];
  v_bytes_full text[];
  v_is_raised boolean := false;
  v_sealed_bytes bigint := 0;
  v_ahead int;
BEGIN
  IF p_answers IS NOT NULL AND json_array_length(p_answers) > (
    SELECT count(*) FROM (
      SELECT FROM modelward.kept_answers AS k
        JOIN json_to_recordset(p_answers) AS a (id text, holder text) ON k.id = a.id
        WHERE k.held_by = a.holder AND k.sealed IS NULL ORDER BY k.id FOR NO KEY UPDATE OF k
    ) AS held
  ) THEN
    RETURN QUERY SELECT 'unreserved', NULL::text[];
    RETURN;
  END IF;
  SELECT sum(jobs), sum(bytes) INTO v_all_jobs, v_all_bytes FROM modelward.job_counts;
  IF v_all_jobs + v_jobs > p_jobs_max THEN
    RETURN QUERY SELECT 'full', NULL::text[];
    RETURN;
  END IF;
  FOR v_round IN 1 .. 2 LOOP
    SELECT array_agg(u.owner) FILTER (WHERE coalesce(o.jobs, 0) + u.jobs > p_owner_jobs_max),
        array_agg(u.owner) FILTER (WHERE coalesce(o.bytes, 0) + u.bytes > p_owner_bytes_max)
      INTO v_jobs_full, v_bytes_full
      FROM (
        SELECT u.owner,
          CASE WHEN v_is_raised THEN 0 ELSE u.jobs END AS jobs, CASE WHEN v_is_raised THEN 0 ELSE u.bytes END AS bytes
        FROM unnest(p_owners, p_owner_jobs, p_owner_bytes) AS u (owner, jobs, bytes)
      ) AS u LEFT JOIN modelward.job_owners AS o ON o.owner = u.owner;
    IF v_jobs_full IS NOT NULL OR v_bytes_full IS NOT NULL OR v_all_bytes + v_bytes > p_bytes_max THEN
      IF v_is_raised THEN
        PERFORM modelward.count_for_owners(p_owners,
          ARRAY(SELECT -n FROM unnest(p_owner_jobs) AS n), ARRAY(SELECT -n FROM unnest(p_owner_bytes) AS n));
      END IF;
      RETURN QUERY SELECT
        CASE WHEN v_jobs_full IS NOT NULL THEN 'full'
          WHEN v_bytes_full IS NOT NULL THEN 'owner_bytes_full' ELSE 'bytes_full' END,
        v_jobs_full || v_bytes_full;
      RETURN;
    END IF;
    EXIT WHEN v_is_raised;
    INSERT INTO modelward.job_owners AS o (owner, jobs, bytes)
      SELECT u.owner, u.jobs, u.bytes FROM unnest(p_owners, p_owner_jobs, p_owner_bytes) AS u (owner, jobs, bytes)
      ORDER BY u.owner COLLATE "C"
      ON CONFLICT (owner) DO UPDATE SET jobs = o.jobs + excluded.jobs, bytes = o.bytes + excluded.bytes;
    v_is_raised := true;
  END LOOP;

  IF p_answers IS NOT NULL THEN
    WITH kept AS (
      UPDATE modelward.kept_answers AS k SET request_digest = a.digest, expires_at = a.expires_at,
          sealed = substring(p_sealed FROM a.at FOR a.size), bytes = k.bytes + a.size, mac = a.mac
        FROM json_to_recordset(p_answers) AS a (id text, digest text, expires_at bigint, at int, size int, mac bytea)
        WHERE k.id = a.id RETURNING k.owner, a.size
    ), counted AS (SELECT owner, sum(size) AS bytes FROM kept GROUP BY owner)
    UPDATE modelward.job_owners AS o SET bytes = o.bytes + counted.bytes FROM counted WHERE o.owner = counted.owner;
    v_sealed_bytes := octet_length(p_sealed);
  END IF;

  IF p_ahead <> '{}' THEN
    DELETE FROM modelward.texts_ahead AS a WHERE a.place = ANY (p_ahead);
    GET DIAGNOSTICS v_ahead = ROW_COUNT;
    -- Given up as left behind: without its inputs no job is accepted.
    IF v_ahead < cardinality(p_ahead) THEN RAISE 'inputs that were written ahead are gone'; END IF;
  END IF;
  WITH added AS (
    SELECT coalesce(j.place, nextval('modelward.jobs_place_seq')) AS new_place, j.*
    FROM ROWS FROM (json_to_recordset(p_jobs) AS (
      place bigint, id text, owner text, key_id text, request_id text, model text, kind text, total int,
      priority smallint, attempts_max int, webhook text, created_at bigint, characters int, pieces int,
      bytes bigint, inputs_hash bytea, mac bytea, at int, size int)) WITH ORDINALITY AS j
    ORDER BY j.ordinality
  ), inserted AS (
    INSERT INTO modelward.jobs (place, id, owner, key_id, request_id, model, kind, total, priority, attempts_max,
        webhook, created_at, characters, pieces, bytes, inputs_hash, mac, status, version, done, errors, attempts,
        is_ready, answer_bytes, answer_values)
      SELECT new_place, id, owner, key_id, request_id, model, kind, total, priority, attempts_max,
        webhook, created_at, characters, pieces, bytes, inputs_hash, mac, 'queued', 1, 0, 0, 0, true, 0, 0
      FROM added
  )
  INSERT INTO modelward.job_inputs (place, piece, inputs)
    SELECT new_place, 0, convert_from(substring(p_inputs FROM at FOR size), 'UTF8')
    FROM added WHERE place IS NULL;
  PERFORM modelward.note_turns(p_turn_owners, p_turn_models, array_fill(true, ARRAY[cardinality(p_turn_owners)]))
    WHERE p_turn_owners <> '{}';
  UPDATE modelward.job_counts AS c SET jobs = c.jobs + v_jobs, bytes = c.bytes + v_bytes + v_sealed_bytes
    WHERE ${ownCount};
  RETURN QUERY SELECT 'accepted', NULL::text[];
END $$`,
  // The first piece of answers that are written ahead of their change names their place meanwhile.
  `CREATE FUNCTION modelward.begin_answers(p_from int, p_answers text) RETURNS bigint ${settings} AS $$
DECLARE
  v_place bigint := nextval('modelward.jobs_place_seq');
BEGIN
  INSERT INTO modelward.texts_ahead (place) VALUES (v_place);
  INSERT INTO modelward.job_answers (place, from_input, piece, answers) VALUES (v_place, p_from, 0, p_answers);
  RETURN v_place;
END $$`,
  // The first piece of inputs that are written ahead of their job names its place.
  `CREATE FUNCTION modelward.begin_inputs(p_inputs text) RETURNS bigint ${settings} AS $$
DECLARE
  v_place bigint := nextval('modelward.jobs_place_seq');
BEGIN
  INSERT INTO modelward.texts_ahead (place) VALUES (v_place);
  INSERT INTO modelward.job_inputs (place, piece, inputs) VALUES (v_place, 0, p_inputs);
  RETURN v_place;
END $$`,
]
