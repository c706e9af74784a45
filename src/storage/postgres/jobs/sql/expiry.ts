import { ownCount, settings } from './functions.ts'

/**
 * Forgets jobs and kept answers that have expired, and texts that were written ahead for nothing.
 * What another node is at is left to it: nodes do not wait for each other.
 */
export const expiryFunctions: readonly string[] = [
  `CREATE FUNCTION modelward.forget_expired(p_now bigint, p_max int) RETURNS int ${settings} AS $$
DECLARE
  v_places bigint[] := ARRAY(
    SELECT j.place FROM modelward.jobs AS j WHERE j.expires_at <= p_now ORDER BY j.expires_at LIMIT p_max
    FOR UPDATE SKIP LOCKED);
  v_answers text[] := ARRAY(
    SELECT k.id FROM modelward.kept_answers AS k WHERE k.expires_at <= p_now ORDER BY k.expires_at
    LIMIT p_max - cardinality(v_places) FOR UPDATE SKIP LOCKED);
  v_left bigint[] := ARRAY(
    SELECT a.place FROM modelward.texts_ahead AS a WHERE a.begun_at < now() - interval '10 minutes'
    ORDER BY a.begun_at LIMIT 8 FOR UPDATE SKIP LOCKED);
  v_ids text[];
  v_owners text[];
  v_bytes bigint[];
  v_delivery_owners text[];
  v_delivery_bytes bigint[];
BEGIN
  IF v_left <> '{}' THEN
    DELETE FROM modelward.job_inputs AS i WHERE i.place = ANY (v_left);
    DELETE FROM modelward.job_answers AS a WHERE a.place = ANY (v_left);
    DELETE FROM modelward.texts_ahead AS a WHERE a.place = ANY (v_left);
  END IF;
  WITH gone AS (
    DELETE FROM modelward.jobs AS j WHERE j.place = ANY (v_places) RETURNING j.id, j.owner, j.bytes, j.webhook
  ), answers AS (
    DELETE FROM modelward.kept_answers AS k WHERE k.id = ANY (v_answers) RETURNING k.owner, k.bytes
  ), counted AS (SELECT owner, bytes FROM gone UNION ALL SELECT owner, bytes FROM answers)
  SELECT array_agg(owner), array_agg(-bytes), (SELECT array_agg(id) FROM gone WHERE webhook IS NOT NULL)
    INTO v_owners, v_bytes, v_ids FROM counted;
  IF v_owners IS NULL THEN RETURN 0; END IF;
  DELETE FROM modelward.job_inputs AS i WHERE i.place = ANY (v_places);
  DELETE FROM modelward.job_answers AS a WHERE a.place = ANY (v_places);
  IF v_ids IS NOT NULL THEN
    PERFORM FROM modelward.deliveries AS d WHERE d.job_id = ANY (v_ids) ORDER BY d.place FOR UPDATE;
    UPDATE modelward.deliveries AS d SET is_job_forgotten = true
      WHERE d.job_id = ANY (v_ids) AND d.status = 'waiting';
    WITH gone AS (
      DELETE FROM modelward.deliveries AS d WHERE d.job_id = ANY (v_ids) AND d.status <> 'waiting'
      RETURNING d.owner, d.bytes
    )
    SELECT array_agg(owner), array_agg(-bytes) INTO v_delivery_owners, v_delivery_bytes FROM gone;
    v_owners := v_owners || v_delivery_owners;
    v_bytes := v_bytes || v_delivery_bytes;
  END IF;
  PERFORM modelward.count_for_owners(v_owners, array_fill(0, ARRAY[cardinality(v_owners)]), v_bytes);
  UPDATE modelward.job_counts AS c SET bytes = c.bytes + (SELECT sum(b) FROM unnest(v_bytes) AS b)
    WHERE ${ownCount};
  RETURN cardinality(v_places) + cardinality(v_answers);
END $$`,
]
