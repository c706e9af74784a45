import type { Peppers } from '../../../secrets/peppers.ts'
import { type Cell, createRowMacs, type RowMacs } from '../../../secrets/row-macs.ts'
import { type AnswerCells, answerColumns } from '../../keys/answer-row.ts'
import { keyColumns } from '../../keys/key-row.ts'
import { believedCells, type OwnerRow } from '../../keys/owner-row.ts'
import type { SqliteDatabase } from '../database.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../prepare-database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { refuseTakenMacs, renewPepperChecks } from './pepper-checks.ts'

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

/**
 * Every row that decides has a MAC from here on, and the counter of changes too; of each tree by
 * which a row is found, a second one tells a row that is lost from one that never was.
 */
const believedStep = `
  ALTER TABLE keys ADD COLUMN mac BLOB;
  ALTER TABLE owners ADD COLUMN mac BLOB;
  ALTER TABLE answers ADD COLUMN mac BLOB;
  CREATE INDEX owners_again ON owners (owner);
  CREATE INDEX imported_digests_again ON imported_digests (digest, key_id);
  CREATE TABLE changes (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The number of the latest change of any key or owner; 0 if there was none.
    latest INTEGER NOT NULL CHECK (latest >= 0),
    -- The sum of the column change of all rows.
    total INTEGER NOT NULL CHECK (total >= 0),
    mac BLOB NOT NULL
  ) STRICT;
`

/** The version from which on rows are believed by their MAC. */
const believedVersion: number = steps.length + 1

/**
 * Who disabled a key; NULL is an operator, also of rows of before, for want of anything that says
 * otherwise: taken for the owner's, an operator's decision would be the owner's to lift. Part of a
 * row's MAC where it is not NULL, so that those of before stay good.
 */
const disabledByStep = `ALTER TABLE keys ADD COLUMN disabled_by TEXT CHECK (disabled_by = 'owner')`

/** The version of the database that this program writes: the check values of peppers say so too. */
export const knownVersion: number = believedVersion + 2

const kind: DatabaseKind = { applicationId, knownVersion, name: 'database' }

/**
 * Brings a database to the last version whose rows have no MAC, unless it is a newer one: the
 * peppers are not known yet. Several processes may do it at once.
 *
 * @param deadline when to stop waiting for another process, milliseconds by `performance.now()`
 * @returns whether its rows have MACs
 * @throws SetupError `data_newer` and `data_corrupt` (another program's database) with nothing
 *   touched; `data_locked`, `data_unwritable`, `data_unreadable`
 */
export function prepareKeys(database: SqliteDatabase, file: string, deadline: number): boolean {
  try {
    checkVersion(database, file, kind)
    useWriteAheadLog(database, file, deadline)
    if (checkVersion(database, file, kind) >= believedVersion) return true
    takeSteps(database, file, kind, steps)
    return false
  } catch (error) {
    throw setupErrorOf(error, file)
  }
}

/**
 * Brings it up to this program's version: gives each row the MAC that it has from then on, once, if
 * the pepper says that it never had one.
 *
 * @throws SetupError as `prepareKeys`; `data_corrupt` for rows whose MACs were taken away,
 *   `pepper_missing`, `pepper_mismatch`
 */
export function migrateDatabase(database: SqliteDatabase, file: string, peppers: Peppers): void {
  try {
    takeSteps(database, file, kind, [
      ...steps,
      (open) => {
        refuseTakenMacs(open, file, peppers)
        believeRows(open, createRowMacs(peppers))
      },
      (open) => renewPepperChecks(open, peppers),
      disabledByStep,
    ])
  } catch (error) {
    throw setupErrorOf(error, file)
  }
}

function believeRows(database: SqliteDatabase, macs: RowMacs): void {
  database.exec(believedStep)
  sealKeys(database, macs)
  const owners = database.prepare<OwnerRow>('SELECT * FROM owners').all()
  const putOwner = database.prepare('UPDATE owners SET mac = ? WHERE owner = ?')
  for (const row of owners) putOwner.run(macs.of('owner', believedCells(row)), row.owner)
  const answers = database.prepareCells<AnswerCells>(`SELECT ${answerColumns} FROM answers`).all()
  const putAnswer = database.prepare('UPDATE answers SET mac = ? WHERE id = ?')
  for (const cells of answers) putAnswer.run(macs.of('answer', cells), cells[0])
  const numbers = database
    .prepare<{ latest: number; total: number }>(
      `SELECT coalesce(max(change), 0) AS latest, coalesce(sum(change), 0) AS total
        FROM (SELECT change FROM keys UNION ALL SELECT change FROM owners)`,
    )
    .get() ?? { latest: 0, total: 0 }
  const { latest, total } = numbers
  database
    .prepare('INSERT INTO changes VALUES (1, ?, ?, ?)')
    .run(latest, total, macs.of('changes', [latest, total]))
}

/** Keys that are in memory at once. */
const sealedAtOnce = 500

function sealKeys(database: SqliteDatabase, macs: RowMacs): void {
  // Of the columns of then, in the order of their MAC.
  const columns = keyColumns.filter((column) => column !== 'disabled_by').join(', ')
  const select = database.prepareCells<readonly [...Cell[], place: number]>(
    `SELECT ${columns}, change, place FROM keys WHERE place > ? ORDER BY place LIMIT ${sealedAtOnce}`,
  )
  const put = database.prepare('UPDATE keys SET mac = ? WHERE place = ?')
  let last = Number.MIN_SAFE_INTEGER
  for (let found = select.all(last); found.length > 0; found = select.all(last)) {
    for (const cells of found) {
      const place = Number(cells.at(-1))
      put.run(macs.of('key', cells.slice(0, -1)), place)
      last = place
    }
  }
}
