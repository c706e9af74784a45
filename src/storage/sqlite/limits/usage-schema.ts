import { windowCells } from '../../../limits/sliding-window.ts'
import type { SqliteDatabase } from '../database.ts'
import { checkVersion, type DatabaseKind, takeSteps } from '../prepare-database.ts'

/** In the file's header, so that no other program's database is taken for ours: `MWlm` in ASCII. */
const applicationId = 0x4d576c6d

/** The steps from an empty database to this program's. A step that has been released is never changed. */
const steps: readonly string[] = [
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
]

const kind: DatabaseKind = { applicationId, knownVersion: steps.length, name: 'database' }

/**
 * Takes a database for this process alone and brings it up to this program's version.
 *
 * @throws SetupError `data_newer`, `data_corrupt` (another program's database), with nothing touched
 */
export function prepareLimitDatabase(database: SqliteDatabase, file: string): void {
  // From the first reading on: the lock is dropped with the process, `kill -9` included, and needs no file of its own.
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  checkVersion(database, file, kind)
  // A commit need not reach the disk to outlive the process, and a request waits for it.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  // A checkpoint waits for the disk: limit-memory.ts has it outside requests, and SQLite within one only where nobody else does.
  database.exec('PRAGMA wal_autocheckpoint = 20000; PRAGMA journal_size_limit = 16777216')
  takeSteps(database, file, kind, steps)
}
