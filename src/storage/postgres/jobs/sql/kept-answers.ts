import { ownCount, settings } from './functions.ts'

/** Reservations of idempotency keys, and the answers that are kept under them. */
export const keptAnswerFunctions: readonly string[] = [
  `CREATE FUNCTION modelward.reserve_answer(
    p_id text, p_owner text, p_digest text, p_holder text, p_until bigint, p_mac bytea, p_bytes bigint,
    p_expired bytea, p_bytes_max bigint, p_owner_bytes_max bigint
  ) RETURNS TABLE (
    outcome text, request_digest text, held_by text, sealed bytea, expires_at bigint, mac bytea
  ) ${settings} AS $$
#variable_conflict use_column
DECLARE
  v_found modelward.kept_answers;
  v_gone bigint := 0;
  v_full text;
BEGIN
  LOOP
    SELECT * INTO v_found FROM modelward.kept_answers AS k WHERE k.id = p_id;
    -- Whether it is to be believed, and has expired then, the caller says by its MAC.
    IF FOUND AND v_found.mac IS DISTINCT FROM p_expired THEN
      RETURN QUERY SELECT 'found', v_found.request_digest, v_found.held_by, v_found.sealed, v_found.expires_at,
        v_found.mac;
      RETURN;
    END IF;
    -- Before it is looked whether there is room: it takes some up.
    DELETE FROM modelward.kept_answers AS k WHERE k.id = p_id AND k.mac = p_expired RETURNING * INTO v_found;
    IF FOUND THEN
      PERFORM modelward.count_for_owners(ARRAY[v_found.owner], ARRAY[0], ARRAY[-v_found.bytes]);
      v_gone := v_gone + v_found.bytes;
    END IF;
    SELECT CASE
        WHEN coalesce((SELECT o.bytes FROM modelward.job_owners AS o WHERE o.owner = p_owner), 0) + p_bytes
          > p_owner_bytes_max THEN 'owner_bytes_full'
        WHEN (SELECT sum(c.bytes) FROM modelward.job_counts AS c) - v_gone + p_bytes > p_bytes_max THEN 'bytes_full'
      END INTO v_full;
    IF v_full IS NULL THEN
      INSERT INTO modelward.kept_answers (id, owner, request_digest, held_by, expires_at, bytes, mac)
        VALUES (p_id, p_owner, p_digest, p_holder, p_until, p_bytes, p_mac) ON CONFLICT (id) DO NOTHING;
      -- Another request was faster: it holds the key.
      CONTINUE WHEN NOT FOUND;
      PERFORM modelward.count_for_owners(ARRAY[p_owner], ARRAY[0], ARRAY[p_bytes]);
      IF (SELECT o.bytes FROM modelward.job_owners AS o WHERE o.owner = p_owner) > p_owner_bytes_max THEN
        v_full := 'owner_bytes_full';
        DELETE FROM modelward.kept_answers AS k WHERE k.id = p_id;
        PERFORM modelward.count_for_owners(ARRAY[p_owner], ARRAY[0], ARRAY[-p_bytes]);
      ELSE
        v_gone := v_gone - p_bytes;
      END IF;
    END IF;
    IF v_gone <> 0 THEN
      UPDATE modelward.job_counts AS c SET bytes = c.bytes - v_gone WHERE ${ownCount};
    END IF;
    RETURN QUERY SELECT coalesce(v_full, 'reserved'), NULL::text, NULL::text, NULL::bytea, NULL::bigint, NULL::bytea;
    RETURN;
  END LOOP;
END $$`,
  `CREATE FUNCTION modelward.keep_answer(
    p_id text, p_holder text, p_digest text, p_sealed bytea, p_expires_at bigint, p_mac bytea
  ) RETURNS boolean ${settings} AS $$
DECLARE
  v_owner text;
BEGIN
  UPDATE modelward.kept_answers AS k SET request_digest = p_digest, sealed = p_sealed, expires_at = p_expires_at,
      bytes = k.bytes + octet_length(p_sealed), mac = p_mac
    WHERE k.id = p_id AND k.held_by = p_holder AND k.sealed IS NULL RETURNING k.owner INTO v_owner;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM modelward.count_for_owners(ARRAY[v_owner], ARRAY[0], ARRAY[octet_length(p_sealed)]);
  UPDATE modelward.job_counts AS c SET bytes = c.bytes + octet_length(p_sealed) WHERE ${ownCount};
  RETURN true;
END $$`,
  `CREATE FUNCTION modelward.release_answer(p_id text, p_holder text) RETURNS void ${settings} AS $$
DECLARE
  v_owner text;
  v_bytes bigint;
BEGIN
  DELETE FROM modelward.kept_answers AS k WHERE k.id = p_id AND k.held_by = p_holder AND k.sealed IS NULL
    RETURNING k.owner, k.bytes INTO v_owner, v_bytes;
  IF NOT FOUND THEN RETURN; END IF;
  PERFORM modelward.count_for_owners(ARRAY[v_owner], ARRAY[0], ARRAY[-v_bytes]);
  UPDATE modelward.job_counts AS c SET bytes = c.bytes - v_bytes WHERE ${ownCount};
END $$`,
  // Frees what a process left reserved: its holders begin with its name and a colon.
  `CREATE FUNCTION modelward.release_answers_of(p_reserver text) RETURNS void ${settings} AS $$
DECLARE
  v_owners text[];
  v_bytes bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM modelward.kept_answers AS k WHERE k.sealed IS NULL
      AND k.held_by >= p_reserver || ':' AND k.held_by < p_reserver || ';'
    RETURNING k.owner, k.bytes
  )
  SELECT array_agg(owner), array_agg(-bytes) INTO v_owners, v_bytes FROM gone;
  IF v_owners IS NULL THEN RETURN; END IF;
  PERFORM modelward.count_for_owners(v_owners, array_fill(0, ARRAY[cardinality(v_owners)]), v_bytes);
  UPDATE modelward.job_counts AS c SET bytes = c.bytes + (SELECT sum(b) FROM unnest(v_bytes) AS b)
    WHERE ${ownCount};
END $$`,
]
