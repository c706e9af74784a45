/** Who disabled a key: see the folder's schema. */
export const disabledBySchema = (schema: string): readonly string[] => [
  `ALTER TABLE ${schema}.keys ADD COLUMN IF NOT EXISTS
    disabled_by text COLLATE "C" CHECK (disabled_by = 'owner')`,
]

/**
 * Keys, owners, stored answers, settings, and the counter of their changes. Texts are ordered by
 * their bytes. JSON is text: `jsonb` takes no `\u0000`, and a MAC is of what was written.
 */
export const keysSchema = (schema: string): readonly string[] => [
  // Written by every change. Its row has room for its next versions on its page.
  `CREATE TABLE ${schema}.changes (
    id int PRIMARY KEY CHECK (id = 1),
    number bigint NOT NULL CHECK (number >= 0),
    total bigint NOT NULL CHECK (total >= 0),
    mac bytea NOT NULL
  ) WITH (fillfactor = 10)`,
  `CREATE TABLE ${schema}.keys (
    id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    name text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL CHECK (environment IN ('live', 'test')),
    scopes text COLLATE "C" NOT NULL,
    metadata text COLLATE "C" NOT NULL,
    addresses text COLLATE "C" NOT NULL,
    secrets bytea NOT NULL CHECK (octet_length(secrets) > 0),
    imported int NOT NULL CHECK (imported IN (0, 1)),
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    not_before bigint,
    expires_at bigint,
    disabled_at bigint,
    revoked_at bigint,
    revoked_reason text COLLATE "C",
    limits text COLLATE "C",
    last_used_at bigint,
    change bigint NOT NULL,
    mac bytea NOT NULL
  )`,
  `CREATE UNIQUE INDEX keys_by_change ON ${schema}.keys (change)`,
  `CREATE INDEX keys_by_owner ON ${schema}.keys (owner, id)`,
  `CREATE INDEX keys_by_created_at ON ${schema}.keys (created_at, id)`,
  `CREATE INDEX keys_by_updated_at ON ${schema}.keys (updated_at, id)`,
  `CREATE INDEX keys_by_name ON ${schema}.keys (name, id)`,
  // Two for a time that may be null: PostgreSQL does not know that nulls are all alike.
  `CREATE INDEX keys_by_expires_at ON ${schema}.keys (expires_at, id) WHERE expires_at IS NOT NULL`,
  `CREATE INDEX keys_that_stay ON ${schema}.keys (id) WHERE expires_at IS NULL`,
  `CREATE INDEX keys_by_last_used_at ON ${schema}.keys (last_used_at, id) WHERE last_used_at IS NOT NULL`,
  `CREATE INDEX keys_not_used ON ${schema}.keys (id) WHERE last_used_at IS NULL`,
  `CREATE TABLE ${schema}.imported_digests (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    key_id text COLLATE "C" NOT NULL REFERENCES ${schema}.keys (id)
  )`,
  `CREATE INDEX imported_digests_by_key ON ${schema}.imported_digests (key_id)`,
  `CREATE TABLE ${schema}.owners (
    owner text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    limits text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    change bigint NOT NULL,
    mac bytea NOT NULL
  )`,
  `CREATE UNIQUE INDEX owners_by_change ON ${schema}.owners (change)`,
  `CREATE TABLE ${schema}.answers (
    id text COLLATE "C" PRIMARY KEY,
    request_digest text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    expires_at bigint NOT NULL,
    mac bytea NOT NULL
  )`,
  `CREATE INDEX answers_by_expires_at ON ${schema}.answers (expires_at)`,
  `CREATE TABLE ${schema}.settings (name text COLLATE "C" PRIMARY KEY, value text NOT NULL)`,
]
