import { ownCount, settings } from './functions.ts'

/**
 * Writes what jobs become, as `src/jobs/transitions.ts` decided it. Each change says how the job
 * stood when it was decided (version, lease); where it stands otherwise, the change is left out and
 * not among the outcomes: it is to be decided anew.
 *
 * Answers for which there is no room are not stored, and their change has that as its outcome: with
 * all changes of this call together their owner, or all owners, would go beyond the bounds.
 */
export const changeFunctions: readonly string[] = [
  `CREATE TYPE modelward.job_change AS (
    number int, place bigint, owner text, model text,
    if_version int, if_held_by text, if_due_by bigint,
    status text, version int, done int, errors int, attempts int, error text, started_at bigint,
    finished_at bigint, expires_at bigint, held_by text, is_ready boolean, due_at bigint,
    bytes bigint, answer_bytes bigint, answer_values int, answers_hash bytea, mac bytea,
    more_jobs bigint, more_bytes bigint,
    has_answers boolean, answers_ahead bigint[], drops_answers boolean, drops_inputs boolean,
    delivery_id text, delivery_url text, delivery_job text, delivery_bytes bigint, delivery_at bigint,
    delivery_mac bytea)`,
  `CREATE FUNCTION modelward.change_jobs(
    p_changes json, p_answers json, p_texts bytea, p_bytes_max bigint, p_owner_bytes_max bigint
  ) RETURNS TABLE (number int, outcome text) ${settings} AS $$
#variable_conflict use_column
DECLARE
  v_changes modelward.job_change[] := ARRAY(
    SELECT c FROM json_populate_recordset(NULL::modelward.job_change, p_changes) AS c);
  v_held int[];
  v_were_ready int[];
  v_owner_full int[] := '{}';
  v_full int[] := '{}';
  v_owners text[];
  v_models text[];
  v_ready boolean[];
  v_delivery_owners text[];
  v_ahead bigint[];
  v_moved int;
  v_more_jobs bigint;
  v_more_bytes bigint;
BEGIN
  SELECT array_agg(l.number), array_agg(l.number) FILTER (WHERE l.is_ready) INTO v_held, v_were_ready FROM (
    SELECT c.number, j.is_ready FROM unnest(v_changes) AS c JOIN modelward.jobs AS j ON j.place = c.place
    WHERE j.version = c.if_version AND j.held_by IS NOT DISTINCT FROM c.if_held_by
      AND (c.if_due_by IS NULL OR j.due_at <= c.if_due_by)
    ORDER BY j.place FOR NO KEY UPDATE OF j
  ) AS l;
  IF v_held IS NULL THEN RETURN; END IF;
  v_changes := ARRAY(SELECT c FROM unnest(v_changes) AS c WHERE c.number = ANY (v_held));

  PERFORM FROM modelward.job_owners AS o
    WHERE o.owner = ANY (ARRAY(
      SELECT c.owner FROM unnest(v_changes) AS c
      WHERE c.more_jobs <> 0 OR c.more_bytes <> 0 OR c.delivery_id IS NOT NULL))
    ORDER BY o.owner FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM unnest(v_changes) AS c WHERE c.has_answers) THEN
    v_owner_full := ARRAY(
      SELECT c.number FROM unnest(v_changes) AS c
        JOIN (SELECT owner, sum(more_bytes) AS bytes FROM unnest(v_changes) GROUP BY owner) AS more
          ON more.owner = c.owner
        JOIN modelward.job_owners AS o ON o.owner = c.owner
        WHERE c.has_answers AND o.bytes + more.bytes > p_owner_bytes_max);
    IF (SELECT sum(bytes) FROM modelward.job_counts) + (
      SELECT sum(more_bytes) FROM unnest(v_changes) AS c WHERE c.number <> ALL (v_owner_full)
    ) > p_bytes_max THEN
      v_full := ARRAY(
        SELECT c.number FROM unnest(v_changes) AS c WHERE c.has_answers AND c.number <> ALL (v_owner_full));
    END IF;
    IF v_owner_full <> '{}' OR v_full <> '{}' THEN
      v_changes := ARRAY(SELECT c FROM unnest(v_changes) AS c WHERE c.number <> ALL (v_owner_full || v_full));
    END IF;
  END IF;

  UPDATE modelward.jobs AS j SET status = c.status, version = c.version, done = c.done, errors = c.errors,
      attempts = c.attempts, error = c.error, started_at = c.started_at, finished_at = c.finished_at,
      expires_at = c.expires_at, held_by = c.held_by, is_ready = c.is_ready, due_at = c.due_at,
      bytes = c.bytes, answer_bytes = c.answer_bytes, answer_values = c.answer_values,
      answers_hash = c.answers_hash, mac = c.mac
    FROM unnest(v_changes) AS c WHERE j.place = c.place;
  DELETE FROM modelward.job_inputs AS i
    WHERE i.place = ANY (ARRAY(SELECT c.place FROM unnest(v_changes) AS c WHERE c.drops_inputs));
  DELETE FROM modelward.job_answers AS a
    WHERE a.place = ANY (ARRAY(SELECT c.place FROM unnest(v_changes) AS c WHERE c.drops_answers));
  IF p_answers IS NOT NULL THEN
    INSERT INTO modelward.job_answers (place, from_input, piece, answers)
      SELECT c.place, a.from_input, a.piece, convert_from(substring(p_texts FROM a.at FOR a.size), 'UTF8')
      FROM json_to_recordset(p_answers) AS a (number int, from_input int, piece int, at int, size int)
        JOIN unnest(v_changes) AS c ON c.number = a.number;
  END IF;
  v_ahead := ARRAY(SELECT a FROM unnest(v_changes) AS c CROSS JOIN LATERAL unnest(c.answers_ahead) AS a);
  IF v_ahead <> '{}' THEN
    UPDATE modelward.job_answers AS a SET place = c.place
      FROM unnest(v_changes) AS c CROSS JOIN LATERAL unnest(c.answers_ahead) AS ahead (place)
      WHERE a.place = ahead.place;
    DELETE FROM modelward.texts_ahead AS a WHERE a.place = ANY (v_ahead);
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    -- Given up as left behind: without its answers no job ends.
    IF v_moved < cardinality(v_ahead) THEN RAISE 'answers that were written ahead are gone'; END IF;
  END IF;
  SELECT array_agg(c.owner), sum(c.more_jobs), sum(c.more_bytes + coalesce(c.delivery_bytes, 0)),
      array_agg(c.owner) FILTER (WHERE c.delivery_id IS NOT NULL)
    INTO v_owners, v_more_jobs, v_more_bytes, v_delivery_owners
    FROM unnest(v_changes) AS c WHERE c.more_jobs <> 0 OR c.more_bytes <> 0 OR c.delivery_id IS NOT NULL;
  IF v_owners IS NOT NULL THEN
    PERFORM modelward.count_for_owners(array_agg(c.owner), array_agg(c.more_jobs),
        array_agg(c.more_bytes + coalesce(c.delivery_bytes, 0)))
      FROM unnest(v_changes) AS c;
  END IF;
  IF v_delivery_owners IS NOT NULL THEN
    INSERT INTO modelward.deliveries
        (id, job_id, owner, url, job, status, attempts, due_at, created_at, bytes, mac)
      SELECT c.delivery_id, j.id, c.owner, c.delivery_url, c.delivery_job, 'waiting', 0, c.delivery_at,
        c.delivery_at, c.delivery_bytes, c.delivery_mac
      FROM unnest(v_changes) AS c JOIN modelward.jobs AS j ON j.place = c.place
      WHERE c.delivery_id IS NOT NULL ORDER BY c.number;
  END IF;
  SELECT array_agg(c.owner), array_agg(c.model), array_agg(c.is_ready) INTO v_owners, v_models, v_ready
    FROM unnest(v_changes) AS c WHERE c.is_ready OR c.number = ANY (v_were_ready);
  IF v_owners IS NOT NULL THEN PERFORM modelward.note_turns(v_owners, v_models, v_ready); END IF;
  IF v_delivery_owners IS NOT NULL THEN PERFORM modelward.note_delivery_turns(v_delivery_owners); END IF;
  IF v_more_jobs <> 0 OR v_more_bytes <> 0 THEN
    UPDATE modelward.job_counts AS k SET jobs = k.jobs + v_more_jobs, bytes = k.bytes + v_more_bytes
      WHERE ${ownCount};
  END IF;
  RETURN QUERY SELECT c.number, NULL::text FROM unnest(v_changes) AS c
    UNION ALL SELECT n, 'owner_bytes_full' FROM unnest(v_owner_full) AS n
    UNION ALL SELECT n, 'bytes_full' FROM unnest(v_full) AS n;
END $$`,
]
