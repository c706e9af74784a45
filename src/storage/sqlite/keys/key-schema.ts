import type { SqliteDatabase } from '../database.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../prepare-database.ts'
import { setupErrorOf } from '../sqlite-error.ts'

/** `MWkd` in ASCII, in the file's header: tells our databases from other programs'. */
export const applicationId = 0x4d576b64

/** The steps from an empty database to this program's. A released step is never changed. */
const steps: readonly string[] = [
  `
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
  `,
  `
  -- NULL is the deployment's default.
  ALTER TABLE keys ADD COLUMN limits TEXT CHECK (limits IS NULL OR json_type(limits) = 'array');

  CREATE TABLE owners (
    owner TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 1),
    limits TEXT NOT NULL CHECK (json_type(limits) = 'array'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Of one sequence with that of keys, so that a reader needs one cursor.
    change INTEGER NOT NULL UNIQUE
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Written beside the changes of a key: it raises neither its version nor the column change.
  ALTER TABLE keys ADD COLUMN last_used_at INTEGER;
  CREATE INDEX keys_by_last_used_at ON keys (last_used_at, id);
  `,
]

/** SQL: the number of the latest change of any key or owner, 0 if none. Reads two index ends. */
export const latestChange =
  '(SELECT max(coalesce((SELECT max(change) FROM keys), 0), coalesce((SELECT max(change) FROM owners), 0)))'

/** SQL: the number of the next change. */
export const nextChange: string = `(${latestChange} + 1)`

/** The version of the database that this program writes. */
export const knownVersion: number = steps.length

const kind: DatabaseKind = { applicationId, knownVersion, name: 'database' }

/**
 * Brings a database up to this program's version, each step whole or not at all. Several processes
 * may do it at once.
 *
 * @param deadline when to stop waiting for another process, milliseconds by `performance.now()`
 * @throws SetupError `data_newer` and `data_corrupt` (another program's database) with nothing
 *   touched; `data_locked`, `data_unwritable`, `data_unreadable`
 */
export function migrateDatabase(database: SqliteDatabase, file: string, deadline: number): void {
  try {
    checkVersion(database, file, kind)
    useWriteAheadLog(database, file, deadline)
    takeSteps(database, file, kind, steps)
  } catch (error) {
    throw setupErrorOf(error, file)
  }
}
