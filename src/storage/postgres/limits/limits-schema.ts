/** What outlives Redis: which epoch the limiter is in, and what is used of long limits. */
export const limitsSchema = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.limiter_epoch (
    id int PRIMARY KEY CHECK (id = 1), epoch text NOT NULL, run_id text NOT NULL, began_at bigint NOT NULL)`,
  `CREATE TABLE ${schema}.kept_uses (
    name text COLLATE "C" PRIMARY KEY, limit_text text NOT NULL, cells bytea NOT NULL,
    spare bigint NOT NULL, version bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now())
    WITH (fillfactor = 50)`,
]
