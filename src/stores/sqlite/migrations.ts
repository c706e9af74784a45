import { SetupError } from '../../core/setup-error.ts'
import { readValue, type SqliteDatabase } from './database.ts'
import { isBusy, setupErrorOf } from './sqlite-error.ts'

/** In the file's header, so that no other program's database is taken for ours: `MWkd` in ASCII. */
export const applicationId = 0x4d576b64

/** The steps from an empty database to this program's. A step that has been released is never changed. */
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
]

/** The version of the database that this program writes. */
export const knownVersion: number = steps.length

/**
 * Brings a database up to this program's version, each step whole or not at all. Safe when several processes do it at once.
 *
 * @param deadline when to stop waiting for another process, milliseconds by `performance.now()`
 * @throws SetupError `data_newer` and `data_corrupt` (another program's database) with nothing touched; `data_locked`,
 *   `data_unwritable`, `data_unreadable`
 */
export function migrateDatabase(database: SqliteDatabase, file: string, deadline: number): void {
  try {
    checkVersion(database, file)
    useWriteAheadLog(database, file, deadline)
    while (!migrateOneStep(database, file));
  } catch (error) {
    throw setupErrorOf(error, file)
  }
}

/** @returns whether nothing is left to do. Always takes the write lock, so that a file that cannot be written is found now. */
function migrateOneStep(database: SqliteDatabase, file: string): boolean {
  database.exec('BEGIN IMMEDIATE')
  try {
    const version = checkVersion(database, file)
    const step = steps[version]
    if (step !== undefined)
      database.exec(`${step}; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version + 1}`)
    database.exec('COMMIT')
    return version + 1 >= steps.length
  } catch (error) {
    if (database.isTransaction()) database.exec('ROLLBACK')
    throw error
  }
}

function checkVersion(database: SqliteDatabase, file: string): number {
  const isEmpty = readValue(database, 'SELECT count(*) FROM sqlite_schema') === 0
  const version = Number(readValue(database, 'PRAGMA user_version'))
  if (!isEmpty && readValue(database, 'PRAGMA application_id') !== applicationId)
    throw new SetupError('data_corrupt', `${file}: this is another program's database`)
  if (version > knownVersion)
    throw new SetupError(
      'data_newer',
      `${file}: the database has version ${version}, and this program knows versions up to ${knownVersion}; use the newer program`,
    )
  return version
}

/** The one pragma that can fail with BUSY at once, whatever the timeout, when another process does the same. */
function useWriteAheadLog(database: SqliteDatabase, file: string, deadline: number): void {
  const timer = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    try {
      const mode = readValue(database, 'PRAGMA journal_mode = WAL')
      if (mode === 'wal') return
      throw new SetupError('data_unwritable', `${file}: expected journal mode wal, got ${mode}`)
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
      Atomics.wait(timer, 0, 0, 5)
    }
  }
}
