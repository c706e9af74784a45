import { windowCells } from '../../../limits/sliding-window.ts'
import type { SqliteDatabase } from '../database.ts'
import { checkVersion, type DatabaseKind, type SchemaStep, takeSteps } from '../prepare-database.ts'
import { addChecksums, copyShadows } from './usage-table.ts'

/** `MWlm` in ASCII, in the file's header: tells our databases from other programs'. */
const applicationId = 0x4d576c6d

/** The steps from an empty database to this program's. A released step is never changed. */
const steps: readonly SchemaStep[] = [
  `
  CREATE TABLE uses (
    name TEXT NOT NULL PRIMARY KEY,
    -- The limit as people write it.
    limit_text TEXT NOT NULL,
    -- When it was so, by the steady clock: see marks.
    at INTEGER NOT NULL,
    -- How much more may have been used since: counted as used by whoever finds it.
    spare INTEGER NOT NULL CHECK (spare >= 0),
    -- Of a window: its state, numbers of 32 bits in this machine's order of bytes.
    cells BLOB CHECK (length(cells) BETWEEN 4 AND ${windowCells * 4} AND length(cells) % 4 = 0),
    -- Of the calendar: the first millisecond of the day or month by the wall clock, when counting began by the steady clock, and how much.
    begins_at INTEGER,
    since INTEGER,
    used INTEGER CHECK (used >= 0),
    CHECK ((cells IS NULL) = (begins_at IS NOT NULL AND since IS NOT NULL AND used IS NOT NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX uses_with_spare ON uses (name) WHERE spare > 0;

  -- One row: what both clocks showed when it was last written.
  CREATE TABLE marks (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    steady INTEGER NOT NULL,
    wall INTEGER NOT NULL
  ) STRICT;
  `,
  // A counter was named by its limit's whole text, and is now by its subject, measure and window;
  // `/day` was written `/d`.
  // Of several amounts, the one that was used last goes on.
  `
  DROP INDEX uses_with_spare;
  ALTER TABLE uses RENAME TO uses_by_text;
  CREATE TABLE uses (
    name TEXT NOT NULL PRIMARY KEY,
    -- The limit as people write it.
    limit_text TEXT NOT NULL,
    -- When it was so, by the steady clock: see marks.
    at INTEGER NOT NULL,
    -- How much more may have been used since: opening the file counts it as used.
    spare INTEGER NOT NULL CHECK (spare >= 0),
    -- Of a window: its state, numbers of 32 bits in this machine's order of bytes.
    cells BLOB CHECK (length(cells) BETWEEN 4 AND ${windowCells * 4} AND length(cells) % 4 = 0),
    -- Of the calendar: the first millisecond of the day or month by the wall clock, when counting began by the steady clock, and how much.
    begins_at INTEGER,
    since INTEGER,
    used INTEGER CHECK (used >= 0),
    CHECK ((cells IS NULL) = (begins_at IS NOT NULL AND since IS NOT NULL AND used IS NOT NULL))
  ) STRICT, WITHOUT ROWID;
  INSERT OR REPLACE INTO uses
    SELECT substr(name, 1, length(name) - length(limit_text)) || ltrim(limit_text, '0123456789 ')
      || CASE WHEN limit_text LIKE '%/d' THEN 'ay' ELSE '' END,
      limit_text, at, spare, cells, begins_at, since, used
    FROM uses_by_text WHERE substr(name, -length(limit_text)) = limit_text ORDER BY at;
  DROP TABLE uses_by_text;
  CREATE INDEX uses_with_spare ON uses (name) WHERE spare > 0;
  `,
  addChecksums,
  copyShadows,
]

export const limitsKind: DatabaseKind = { applicationId, knownVersion: steps.length, name: 'database' }

/**
 * Locks a database for this process alone and brings it up to this program's version.
 *
 * @throws SetupError `data_newer`, `data_corrupt` (another program's database), with nothing
 *   touched
 */
export function prepareUsageDatabase(database: SqliteDatabase, file: string): void {
  // From the first read on. The lock ends with the process, `kill -9` included, and needs no file.
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  checkVersion(database, file, limitsKind)
  // A commit must outlive the process, not a power cut; a request waits for it.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  // A checkpoint waits for the disk: usage-store.ts runs it outside requests; SQLite does within
  // one only if that fails.
  database.exec('PRAGMA wal_autocheckpoint = 20000; PRAGMA journal_size_limit = 16777216')
  takeSteps(database, file, limitsKind, steps)
}
