/**
 * The ledger's tables. A block has the records that one commit wrote of one stream; its body is not
 * compressed: most of it is hashes. A commit moves its stream's row on, which is the fence: `seq`
 * and `link` are those of the last record. `base` has, for each stream that retention truncated,
 * the signed statement of the last record dropped (`TruncationPoint`).
 *
 * `posting` finds blocks by term, a segment of them at a time. A row belongs to the segment whose
 * last block is `until`, and counts once `indexed` has that segment. `counted_bytes` has the bytes
 * of the blocks up to `until`, where retention has a maximum.
 *
 * `arriving` has a row while the history of a folder is copied in behind the nodes that write: see
 * `Arriving`.
 *
 * @param schema quoted, as it stands in SQL
 */
export const ledgerSchema = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.stream (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    node text COLLATE "C" NOT NULL,
    opened_at bigint NOT NULL,
    written_at bigint NOT NULL,
    seq bigint NOT NULL,
    link bytea NOT NULL,
    is_closed boolean NOT NULL
  ) WITH (fillfactor = 50)`,
  `CREATE TABLE ${schema}.block (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream int NOT NULL,
    first_seq bigint NOT NULL,
    count int NOT NULL,
    min_at bigint NOT NULL,
    max_at bigint NOT NULL,
    body bytea NOT NULL
  )`,
  `ALTER TABLE ${schema}.block ALTER COLUMN body SET STORAGE EXTERNAL`,
  `CREATE INDEX block_by_stream ON ${schema}.block (stream, first_seq)`,
  `CREATE TABLE ${schema}.base (stream int PRIMARY KEY, checkpoint text NOT NULL)`,
  `CREATE TABLE ${schema}.posting (
    until bigint NOT NULL,
    term bytea NOT NULL,
    blocks bytea NOT NULL,
    PRIMARY KEY (until, term)
  )`,
  `CREATE TABLE ${schema}.indexed (until bigint PRIMARY KEY)`,
  `CREATE TABLE ${schema}.recorded_change (id int PRIMARY KEY CHECK (id = 1), change bigint NOT NULL)`,
  `INSERT INTO ${schema}.recorded_change VALUES (1, 0)`,
  `CREATE TABLE ${schema}.counted_bytes (
    id int PRIMARY KEY CHECK (id = 1), until bigint NOT NULL, bytes bigint NOT NULL
  )`,
  `INSERT INTO ${schema}.counted_bytes VALUES (1, 0, 0)`,
  `CREATE TABLE ${schema}.arriving (
    id int PRIMARY KEY CHECK (id = 1), front bigint NOT NULL, blocks bigint NOT NULL,
    latest_at bigint NOT NULL, last_stream int NOT NULL
  )`,
  commitBlock(schema, 'commit_block_1', ''),
  ...usageSchema(schema),
]

/**
 * A stream of a node that was taken for gone is closed by the one that ends its calls, and
 * `is_left` until that is done. `commit_block_1` does not look at it: nodes of the version before
 * call it.
 */
export const leftStreamsSchema = (schema: string): readonly string[] => [
  `ALTER TABLE ${schema}.stream ADD COLUMN IF NOT EXISTS is_left boolean NOT NULL DEFAULT false`,
  commitBlock(schema, 'commit_block_2', 'AND NOT is_closed'),
]

/**
 * A commit of one block, as most are. PostgreSQL parses and plans a statement each time it comes
 * unnamed, which for this one costs more than to execute it; a function's is planned once.
 */
const commitBlock = (schema: string, name: string, fence: string): string => `
  CREATE OR REPLACE FUNCTION ${schema}.${name}(
    of_stream int, from_seq bigint, to_seq bigint, to_link bytea, at bigint, closes boolean,
    of_first bigint, of_count int, of_min bigint, of_max bigint, of_body bytea
  ) RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE ${schema}.stream SET seq = to_seq, link = to_link, written_at = at, is_closed = closes
      WHERE number = of_stream AND seq = from_seq ${fence} AND current_setting('synchronous_commit') <> 'off';
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO ${schema}.block (stream, first_seq, count, min_at, max_at, body)
      VALUES (of_stream, of_first, of_count, of_min, of_max, of_body);
    RETURN true;
  END $$`

/**
 * Sums of the records up to the block in `usage_filled`, by hour and by day. Texts are bytes: a
 * text of PostgreSQL takes no U+0000; one that is null is empty. `usage_bucket` has each hour and
 * day with records (its width in milliseconds), and which blocks they are in; `usage_name` the
 * routes and models that have rows.
 */
const usageSchema = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.usage (
    width bigint NOT NULL,
    bucket bigint NOT NULL,
    key_id bytea NOT NULL,
    owner bytea NOT NULL,
    route bytea NOT NULL,
    model bytea NOT NULL,
    requests bigint NOT NULL,
    admitted bigint NOT NULL,
    operational bigint NOT NULL,
    last_used_at bigint NOT NULL,
    refused text NOT NULL,
    measures text NOT NULL,
    latencies text NOT NULL,
    PRIMARY KEY (width, bucket, key_id, owner, route, model)
  )`,
  `CREATE TABLE ${schema}.usage_bucket (
    width bigint NOT NULL,
    bucket bigint NOT NULL,
    first_block bigint NOT NULL,
    last_block bigint NOT NULL,
    PRIMARY KEY (width, bucket)
  )`,
  `CREATE TABLE ${schema}.usage_name (kind text NOT NULL, text bytea NOT NULL, PRIMARY KEY (kind, text))`,
  `CREATE TABLE ${schema}.usage_filled (
    id int PRIMARY KEY CHECK (id = 1), block bigint NOT NULL, filled_at timestamptz NOT NULL
  )`,
  `INSERT INTO ${schema}.usage_filled VALUES (1, 0, now())`,
]

/** The tables above, for a check that they are what they were made as. */
export const ledgerTables: readonly string[] = [
  'stream',
  'block',
  'base',
  'posting',
  'indexed',
  'recorded_change',
  'counted_bytes',
  'arriving',
  'usage',
  'usage_bucket',
  'usage_name',
  'usage_filled',
]
