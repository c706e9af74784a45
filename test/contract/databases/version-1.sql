-- What version 1 wrote: `migrations.test.ts` brings it to the version of today. Never changed.
PRAGMA application_id = 1297574756;
PRAGMA user_version = 1;

CREATE TABLE keys (
    -- Derived from the id: see key-place.ts.
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL CHECK (version >= 1),
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    scopes TEXT NOT NULL CHECK (json_type(scopes) = 'array'),
    metadata TEXT NOT NULL CHECK (json_type(metadata) = 'object'),
    addresses TEXT NOT NULL CHECK (json_type(addresses) = 'array'),
    secrets BLOB NOT NULL CHECK (length(secrets) > 0),
    imported INTEGER NOT NULL CHECK (imported IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    not_before INTEGER,
    expires_at INTEGER,
    disabled_at INTEGER,
    revoked_at INTEGER,
    revoked_reason TEXT,
    -- Rises by one with every change to any key, so that readers ask for what changed since.
    change INTEGER NOT NULL UNIQUE
  ) STRICT;
CREATE INDEX keys_by_created_at ON keys (created_at, id);
CREATE INDEX keys_by_updated_at ON keys (updated_at, id);
CREATE INDEX keys_by_expires_at ON keys (expires_at, id);
CREATE INDEX keys_by_name ON keys (name, id);
CREATE INDEX keys_by_owner ON keys (owner, id);
CREATE TABLE imported_digests (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    key_id TEXT NOT NULL REFERENCES keys (id)
  ) STRICT, WITHOUT ROWID;
CREATE INDEX imported_digests_by_key ON imported_digests (key_id);
CREATE TABLE answers (
    id TEXT NOT NULL PRIMARY KEY,
    request_digest TEXT NOT NULL,
    sealed BLOB NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
CREATE INDEX answers_by_expires_at ON answers (expires_at);
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

INSERT INTO keys (place, id, version, name, owner, environment, scopes, metadata, addresses, secrets, imported, created_at, updated_at, not_before, expires_at, disabled_at, revoked_at, revoked_reason, change)
  VALUES (180401788610064, 'k00000000001', 1, 'name of k00000000001', 'acme', 'live', '["predict"]', '{}', '[]', X'feeb5a59a60a7aba6c7a28cd30b49a820c4ad08f6275fef57955affe9d4ba9bd000000000000f03f0000000000408f40000000000000f87f', 0, 1000, 1000, NULL, NULL, NULL, NULL, NULL, 1);

INSERT INTO keys (place, id, version, name, owner, environment, scopes, metadata, addresses, secrets, imported, created_at, updated_at, not_before, expires_at, disabled_at, revoked_at, revoked_reason, change)
  VALUES (3128977794659120, 'k00000000002', 1, 'name of k00000000002', 'acme', 'live', '["predict"]', '{"plan":"pro"}', '["10.0.0.0/8"]', X'8d39442b239a65ec543ad7d26f618489593d91adcee72f79fc33d8185ede0ca0000000000000f03f0000000000408f40000000000000f87f', 1, 1000, 1000, NULL, 9000, NULL, NULL, NULL, 2);

INSERT INTO keys (place, id, version, name, owner, environment, scopes, metadata, addresses, secrets, imported, created_at, updated_at, not_before, expires_at, disabled_at, revoked_at, revoked_reason, change)
  VALUES (3400791508611472, 'k00000000003', 2, 'O''Brien', 'k00000000003', 'live', '["predict"]', '{}', '[]', X'746e0a564c1ad9d49da6c1c7bacba4ba4223ae1edf543f1e01593cab4c54f796000000000000f03f0000000000408f40000000000000f87f', 0, 1000, 1000, NULL, NULL, NULL, 4000, 'leaked', 4);

INSERT INTO imported_digests (digest, key_id)
  VALUES (X'8d39442b239a65ec543ad7d26f618489593d91adcee72f79fc33d8185ede0ca0', 'k00000000002');

INSERT INTO answers (id, request_digest, sealed, expires_at)
  VALUES ('retry', 'digest', X'010203', 10000);

INSERT INTO settings (name, value)
  VALUES ('pepper.1', '0CCgrBGIqjmMEJnClAYfqKJgGwJD4dFExOdumXzT7uQ');
