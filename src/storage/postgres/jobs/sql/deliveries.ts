import { ownCount, settings } from './functions.ts'

/** Deliveries of webhooks, and the secrets that sign them. */
export const deliveryFunctions: readonly string[] = [
  // Claims take turns by a lock: how many an owner has leased is counted under it.
  `CREATE FUNCTION modelward.claim_deliveries(
    p_max int, p_owner_max bigint, p_now bigint, p_until bigint, p_lease text
  ) RETURNS SETOF modelward.deliveries ${settings} AS $$
DECLARE
  v_places bigint[];
  v_owners text[];
BEGIN
  IF NOT EXISTS (SELECT FROM modelward.delivery_turns AS t WHERE t.due_at <= p_now) THEN RETURN; END IF;
  PERFORM FROM modelward.totals WHERE id = 2 FOR UPDATE;
  SELECT array_agg(place ORDER BY number), array_agg(owner) INTO v_places, v_owners FROM (
    SELECT d.place, t.owner, row_number() OVER (ORDER BY d.due_at, t.due_at, t.owner, d.place) AS number
    FROM (
      SELECT t.owner, t.due_at, p_owner_max - l.leased AS more FROM modelward.delivery_turns AS t
        CROSS JOIN LATERAL (
          SELECT count(*) AS leased FROM modelward.deliveries AS d
          WHERE d.owner = t.owner AND d.held_by IS NOT NULL AND d.due_at > p_now
        ) AS l
        WHERE t.due_at <= p_now AND l.leased < p_owner_max ORDER BY t.due_at, t.owner LIMIT p_max
    ) AS t CROSS JOIN LATERAL (
      SELECT d.place, d.due_at FROM modelward.deliveries AS d WHERE d.owner = t.owner AND d.due_at <= p_now
      ORDER BY d.due_at, d.place LIMIT least(t.more, p_max)
    ) AS d
  ) AS n WHERE number <= p_max;
  IF v_places IS NULL THEN RETURN; END IF;
  RETURN QUERY
    WITH free AS (
      SELECT d.place FROM modelward.deliveries AS d WHERE d.place = ANY (v_places) AND d.due_at <= p_now
      FOR NO KEY UPDATE SKIP LOCKED
    ), leased AS (
      UPDATE modelward.deliveries AS d SET attempts = d.attempts + 1, due_at = p_until,
          held_by = p_lease || '.' || d.place
        FROM free WHERE d.place = free.place RETURNING d.*
    )
    SELECT leased.* FROM unnest(v_places) WITH ORDINALITY AS n (place, number)
      JOIN leased ON leased.place = n.place ORDER BY n.number;
  PERFORM modelward.note_delivery_turns(v_owners);
END $$`,
  `CREATE FUNCTION modelward.settle_delivery(
    p_id text, p_lease text, p_status text, p_due_at bigint, p_last_at bigint, p_last_status int, p_last_reason text
  ) RETURNS void ${settings} AS $$
DECLARE
  v_settled modelward.deliveries;
BEGIN
  UPDATE modelward.deliveries AS d SET status = p_status, due_at = p_due_at, last_at = p_last_at,
      last_status = p_last_status, last_reason = p_last_reason, held_by = NULL
    WHERE d.id = p_id AND d.held_by = p_lease RETURNING * INTO v_settled;
  IF NOT FOUND THEN RETURN; END IF;
  IF v_settled.is_job_forgotten AND p_status <> 'waiting' THEN
    DELETE FROM modelward.deliveries AS d WHERE d.place = v_settled.place;
    PERFORM modelward.count_for_owners(ARRAY[v_settled.owner], ARRAY[0], ARRAY[-v_settled.bytes]);
  END IF;
  PERFORM modelward.note_delivery_turns(ARRAY[v_settled.owner]);
  IF v_settled.is_job_forgotten AND p_status <> 'waiting' THEN
    UPDATE modelward.job_counts AS c SET bytes = c.bytes - v_settled.bytes WHERE ${ownCount};
  END IF;
END $$`,
  `CREATE FUNCTION modelward.retry_delivery(p_id text, p_owner text, p_now bigint)
RETURNS boolean ${settings} AS $$
DECLARE
  v_owner text;
BEGIN
  UPDATE modelward.deliveries AS d SET status = 'waiting', attempts = 0, due_at = p_now
    WHERE d.id = p_id AND (p_owner IS NULL OR d.owner = p_owner) AND d.status <> 'waiting'
    RETURNING d.owner INTO v_owner;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM modelward.note_delivery_turns(ARRAY[v_owner]);
  RETURN true;
END $$`,
  // Two at once would each find the same one to be the newest before theirs.
  `CREATE FUNCTION modelward.add_webhook_secret(
    p_owner text, p_sealed bytea, p_created_at bigint, p_signs_until bigint, p_overlap_until bigint, p_mac bytea,
    p_damaged bigint[]
  ) RETURNS void ${settings} AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('modelward.webhook_secrets ' || p_owner, 0));
  DELETE FROM modelward.webhook_secrets AS s WHERE s.place = ANY (p_damaged);
  DELETE FROM modelward.webhook_secrets AS s WHERE s.owner = p_owner AND s.place <> (
    SELECT max(n.place) FROM modelward.webhook_secrets AS n WHERE n.owner = p_owner);
  UPDATE modelward.webhook_secrets AS s
    SET signs_until = least(coalesce(s.signs_until, p_overlap_until), p_overlap_until) WHERE s.owner = p_owner;
  INSERT INTO modelward.webhook_secrets (owner, sealed, created_at, signs_until, mac)
    VALUES (p_owner, p_sealed, p_created_at, p_signs_until, p_mac);
END $$`,
]
