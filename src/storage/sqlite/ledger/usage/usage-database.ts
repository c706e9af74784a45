import { existsSync } from 'node:fs'
import type { SqliteDatabase } from '../../database.ts'
import { openDatabase, openDatabaseToRead, openTemporary } from '../../driver.ts'
import { checkVersion, type DatabaseKind, takeSteps, useWriteAheadLog } from '../../prepare-database.ts'
import { setupErrorOf } from '../../sqlite-error.ts'
import { inTransaction } from '../../transaction.ts'

/** `MWus` in ASCII, in the file's header: tells our databases from other programs'. */
const applicationId = 0x4d577573

/**
 * Sums of the records up to the block in `filled`, and that block's chain hash, by which the ledger
 * they are of is known again. A file of its own beside `ledger.db`: no commit of the ledger waits
 * while it is written, it does not count for the ledger's size, and where it is deleted, it is made
 * anew from the records.
 *
 * `bucket` has each hour and day (its width, milliseconds) with records, and which blocks they are
 * in. In `usage` a text that is null is ''. `name` has the routes and models that have rows.
 */
export const usageSchema = `
CREATE TABLE usage (
  width INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  route TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  admitted INTEGER NOT NULL,
  operational INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  refused TEXT NOT NULL,
  measures TEXT NOT NULL,
  latencies TEXT NOT NULL,
  PRIMARY KEY (width, bucket, key_id, owner, route, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE bucket (
  width INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  first_block INTEGER NOT NULL,
  last_block INTEGER NOT NULL,
  PRIMARY KEY (width, bucket)
) STRICT, WITHOUT ROWID;
CREATE TABLE name (
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (kind, text)
) STRICT, WITHOUT ROWID;
CREATE TABLE filled (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  block INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
INSERT INTO filled VALUES (1, 0, x'');
`

export const rollUpKind: DatabaseKind = { applicationId, knownVersion: 1, name: 'usage' }

/** The file beside a ledger's: `ledger-usage.db`. */
export function usageFileOf(ledgerFile: string): string {
  return ledgerFile.replace(/(?:\.db)?$/, '-usage.db')
}

/**
 * Opens the roll-up of a ledger to fill it; created with mode 0600 if missing.
 *
 * @throws SetupError as `openDatabase`; `data_newer`, `data_corrupt` (another program's database)
 */
export function openUsageDatabase(ledgerFile: string, busyTimeoutMs: number): SqliteDatabase {
  const file = usageFileOf(ledgerFile)
  const database = openDatabase({ file, busyTimeoutMs, cacheKiB: 8_192 })
  try {
    if (checkVersion(database, file, rollUpKind) === 0) {
      useWriteAheadLog(database, file, performance.now() + busyTimeoutMs)
      takeSteps(database, file, rollUpKind, [usageSchema])
    }
    // A power cut loses nothing that cannot be done again: see `makeDurable`.
    database.exec('PRAGMA synchronous = NORMAL')
    return database
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/**
 * Opens the roll-up of a ledger to read it; undefined where none was made yet.
 *
 * @param isAlone whether it has neither writers nor a log, so that not even a lock file is needed
 */
export function openUsageDatabaseToRead(ledgerFile: string, isAlone = false): SqliteDatabase | undefined {
  const file = usageFileOf(ledgerFile)
  if (!existsSync(file)) return undefined
  const database = openDatabaseToRead(file, { isAlone })
  try {
    if (checkVersion(database, file, rollUpKind) === rollUpKind.knownVersion) return database
    // Another process is making it.
    database.close()
    return undefined
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

/**
 * An empty roll-up of this connection alone, with the routes and models that another has rows of:
 * which names those are, records decided that may be dropped by now.
 */
export function createTemporaryUsage(other: SqliteDatabase, cacheKiB: number): SqliteDatabase {
  const database = openTemporary(cacheKiB)
  database.exec(usageSchema)
  const learn = database.prepare('INSERT INTO name VALUES (?, ?)')
  const names = other.prepareCells<readonly [kind: string, text: string]>('SELECT kind, text FROM name')
  inTransaction(database, () => {
    for (const name of names.all()) learn.run(...name)
  })
  return database
}

/** Up to where a roll-up goes: the last block that it counts, 0 for none, and its chain hash. */
export interface Filled {
  readonly block: number
  readonly hash: Uint8Array
}

export function readFilled(usage: SqliteDatabase): Filled {
  const filled = usage.prepare<Filled>('SELECT block, hash FROM filled WHERE only = 1').get()
  if (filled === undefined) throw new RangeError('usage: the file is damaged; remove it')
  return filled
}

/** Within a transaction of the caller's. */
export function writeFilled(usage: SqliteDatabase, { block, hash }: Filled): void {
  usage.prepare('UPDATE filled SET block = ?, hash = ?').run(block, hash)
}

/** Begins anew: what it has is of another ledger. */
export function emptyUsage(usage: SqliteDatabase): void {
  inTransaction(usage, () => {
    usage.exec('DELETE FROM usage; DELETE FROM bucket; DELETE FROM name')
    writeFilled(usage, { block: 0, hash: new Uint8Array() })
  })
}

/**
 * Has all that is committed survive a power cut, before records it was made of are dropped: a
 * commit that waits for the disk takes those before it along.
 */
export function makeDurable(usage: SqliteDatabase): void {
  usage.exec('PRAGMA synchronous = FULL')
  inTransaction(usage, () => writeFilled(usage, readFilled(usage)))
  usage.exec('PRAGMA synchronous = NORMAL')
}
