import type { Clock } from '../../../core/time.ts'
import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import type { KeyRecord } from '../../../keys/key-record.ts'
import type { AddOutcome, KeyStore, ReplaceOutcome } from '../../../keys/key-store.ts'
import { createConnection } from '../connection.ts'
import type { SqliteDatabase } from '../database.ts'
import { openDatabase } from '../driver.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { watchFiles } from '../watched-files.ts'
import { createAnswerTable } from './answer-table.ts'
import { createChangeReader } from './key-changes.ts'
import { listKeys } from './key-listing.ts'
import { migrateDatabase } from './key-schema.ts'
import { createKeyTable, type KeyTable } from './key-table.ts'
import { createOwnerTable } from './owner-table.ts'

export interface SqliteKeyStoreOptions {
  /**
   * The database file; created with mode 0600 if missing. Its folder must exist, on a local disk.
   */
  readonly file: string
  /** Decides which stored answers have expired. @default Date.now */
  readonly clock?: Clock | undefined
  /** How long to wait for another process's lock, milliseconds from 0 on. @default 5000 */
  readonly lockTimeoutMs?: number
  /** Memory for pages of the file, KiB. @default 16384 */
  readonly cacheKiB?: number
}

/**
 * Opens the keys in an SQLite file and brings it up to this program's version. Several processes
 * may have it open.
 *
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt`, `data_newer`,
 *   `data_unwritable`, `data_unreadable`
 */
export function openSqliteKeyStore(options: SqliteKeyStoreOptions): KeyStore {
  const { file, clock = Date.now, lockTimeoutMs = 5_000, cacheKiB = 16_384 } = options
  const deadline = performance.now() + lockTimeoutMs
  const database = openDatabase({ file, busyTimeoutMs: lockTimeoutMs, cacheKiB })
  try {
    migrateDatabase(database, file, deadline)
    return createSqliteKeyStore({ database, file, clock, lockTimeoutMs })
  } catch (error) {
    database.close()
    throw setupErrorOf(error, file)
  }
}

export interface SqliteKeyStoreDeps {
  /** Open, and of this program's version. Closed with the store. */
  readonly database: SqliteDatabase
  readonly file: string
  readonly clock: Clock
  readonly lockTimeoutMs: number
}

/** A key store on an open database. */
export function createSqliteKeyStore(deps: SqliteKeyStoreDeps): KeyStore {
  const { database, clock } = deps
  const connection = createConnection(database, watchFiles(deps.file), deps.lockTimeoutMs)
  const keys = createKeyTable(database)
  const owners = createOwnerTable(database)
  const answers = createAnswerTable(database)
  const changes = createChangeReader(connection, database)
  const findSetting = database.prepare<{ value: string }>('SELECT value FROM settings WHERE name = ?')
  const addSetting = database.prepare(
    'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING',
  )
  const setting = (name: string): string | undefined => findSetting.get(name)?.value

  async function change<T extends AddOutcome | ReplaceOutcome>(
    work: () => T,
    answer: StoredAnswer | undefined,
  ): Promise<T | { outcome: 'answered'; answer: StoredAnswer }> {
    const outcome = await connection.write(() => {
      const now = clock()
      answers.purge(now)
      const earlier = answer === undefined ? undefined : answers.find(answer.id, now)
      if (earlier !== undefined) return { outcome: 'answered' as const, answer: earlier }
      const result = work()
      if (answer !== undefined && isDone(result)) answers.put(answer)
      return result
    })
    changes.forget()
    return outcome
  }

  return {
    findKey: async (id) => connection.read(() => keys.find(id)),
    findImportedKey: async (digests) => connection.read(() => keys.findImported(digests)),
    listKeys: (query) => listKeys(connection, database, query),
    addKeys: (records, answer) => change(() => addKeys(keys, records), answer),
    replaceKey: (record, answer) => change(() => replaceKey(keys, record), answer),
    noteUses: (uses) =>
      connection.write(
        () => {
          for (const use of uses) keys.noteUse(use)
        },
        { isDurable: false },
      ),
    findOwner: async (owner) => connection.read(() => owners.find(owner)),
    replaceOwner: async (record) => {
      const isReplaced = await connection.write(() => owners.replace(record))
      changes.forget()
      return { outcome: isReplaced ? 'replaced' : 'stale' }
    },
    listOwners: async (query) => connection.read(() => owners.list(query)),
    findAnswer: async (id, now) => connection.read(() => answers.find(id, now)),
    readChanges: async (since) => changes.read(since),
    findSetting: async (name) => connection.read(() => setting(name)),
    addSetting: (name, value) =>
      connection.write(() => {
        addSetting.run(name, value)
        return setting(name) ?? value
      }),
    close: async () => connection.close(),
  }
}

function isDone(result: AddOutcome | ReplaceOutcome): boolean {
  return result.outcome === 'added' || result.outcome === 'replaced'
}

function addKeys(keys: KeyTable, records: readonly KeyRecord[]): AddOutcome {
  // All are looked up before any is written: a refusal leaves nothing to undo.
  if (!areDistinct(records) || records.some(keys.isTaken)) return { outcome: 'taken' }
  for (const record of records) keys.add(record)
  return { outcome: 'added' }
}

function areDistinct(records: readonly KeyRecord[]): boolean {
  const names = records.flatMap((record) => [
    record.id,
    ...(record.imported ? record.secrets.map((secret) => Buffer.from(secret.digest).toString('base64')) : []),
  ])
  return new Set(names).size === names.length
}

function replaceKey(keys: KeyTable, record: KeyRecord): ReplaceOutcome {
  if (!keys.replace(record)) return { outcome: 'stale' }
  return { outcome: 'replaced' }
}
