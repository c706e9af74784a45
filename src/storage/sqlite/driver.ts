import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { isError } from '../../core/runtime/is-error.ts'
import { unsuitable } from '../../core/runtime/unsuitable.ts'
import type { SqliteDatabase, SqliteStatement, SqlValue } from './database.ts'
import { setupErrorOf } from './sqlite-error.ts'

export interface OpenDatabaseOptions {
  readonly file: string
  /** How long to block the thread for a lock of another connection, in milliseconds. */
  readonly busyTimeoutMs: number
  /** Memory for pages of the file, KiB. */
  readonly cacheKiB: number
}

const { DatabaseSync: Database } = loadSqlite()

// `defensive` came with Node 24.12; older versions ignore it.
const settings: DatabaseSyncOptions & { readonly defensive: boolean } = {
  enableForeignKeyConstraints: true,
  enableDoubleQuotedStringLiterals: false,
  allowExtension: false,
  defensive: true,
}

/**
 * Opens a database; creates an empty one with mode 0600 if missing. WAL and shared memory get the
 * same mode. Changes nothing in the file. Every commit is on the disk before it returns
 * (`synchronous=FULL`).
 *
 * @throws SetupError `data_missing`, `data_locked`, `data_corrupt`, `data_unwritable`,
 *   `data_unreadable`
 */
export function openDatabase(options: OpenDatabaseOptions): SqliteDatabase {
  let connection: DatabaseSync | undefined
  try {
    createPrivately(options.file)
    connection = new Database(options.file, { ...settings, timeout: options.busyTimeoutMs })
    // mmap_size stays 0: with it a disk error or a truncated file is a SIGBUS, which no handler
    // turns into a fault.
    connection.exec(`
      PRAGMA trusted_schema = OFF;
      PRAGMA cell_size_check = ON;
      PRAGMA synchronous = FULL;
      PRAGMA cache_size = -${Math.trunc(options.cacheKiB)};
    `)
    return databaseOf(connection)
  } catch (error) {
    connection?.close()
    throw setupErrorOf(error, options.file)
  }
}

/**
 * Opens a database to read it. Creates and changes nothing.
 *
 * @param isAlone whether no other process has it open, so that no lock is needed
 * @param waitMs how long to block the thread for a lock of another process, in milliseconds
 * @throws SetupError as `openDatabase`
 */
export function openDatabaseToRead(
  file: string,
  { isAlone, waitMs = 5_000 }: { readonly isAlone: boolean; readonly waitMs?: number },
): SqliteDatabase {
  try {
    statSync(file)
    const place = isAlone && !isDeno ? immutableUrlOf(file) : resolve(file)
    return databaseOf(new Database(place, { readOnly: true, allowExtension: false, timeout: waitMs }))
  } catch (error) {
    throw setupErrorOf(error, file)
  }
}

/** Deno takes a URL for the path of a file, unless all that there is may be read and written. */
const isDeno = 'Deno' in globalThis

function immutableUrlOf(file: string): URL {
  const url = pathToFileURL(file)
  url.searchParams.set('immutable', '1')
  return url
}

/** A database of this connection alone, in memory: for tests. */
export function openInProcess(): SqliteDatabase {
  return databaseOf(new Database(':memory:', settings))
}

/**
 * A database of this connection alone. What its cache cannot hold goes to a file without a name,
 * which goes with the connection (https://sqlite.org/inmemorydb.html#temp_db).
 */
export function openTemporary(cacheKiB: number): SqliteDatabase {
  const connection = new Database('', settings)
  connection.exec(`PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -${Math.trunc(cacheKiB)}`)
  return databaseOf(connection)
}

/** A statement's text alone says what its rows hold: who prepares it names their type. */
function databaseOf(connection: DatabaseSync): SqliteDatabase {
  return {
    prepare: <Row extends object>(sql: string) => connection.prepare(sql) as unknown as SqliteStatement<Row>,
    prepareCells: <Cells extends readonly SqlValue[]>(sql: string) => {
      const statement = connection.prepare(sql)
      statement.setReturnArrays(true)
      return statement as unknown as SqliteStatement<Cells>
    },
    exec: (sql) => connection.exec(sql),
    isTransaction: () => connection.isTransaction,
    close: () => connection.close(),
  }
}

/**
 * Never opens an existing file: closing any descriptor of it would drop the locks that this
 * process's SQLite has on it (POSIX advisory locks belong to the process;
 * https://sqlite.org/howtocorrupt.html, 2.2).
 */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if (!isError(error) || !('code' in error) || error.code !== 'EEXIST') throw error
    const found = statSync(file)
    if (found.isDirectory())
      throw Object.assign(new Error('expected a file, got a folder'), { code: 'EISDIR' })
    if ((found.mode & 0o077) !== 0 && process.platform !== 'win32') chmodSync(file, 0o600)
  }
}

/**
 * Loads SQLite without the one warning that Node 22 prints for it: standard error is the program's
 * own.
 */
function loadSqlite(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning
  const emitOther = (...warning: Parameters<typeof emitWarning>): void => {
    if (!String(warning[0]).startsWith('SQLite is an experimental feature'))
      emitWarning.apply(process, warning)
  }
  process.emitWarning = emitOther as typeof emitWarning
  try {
    const sqlite = process.getBuiltinModule('node:sqlite') as typeof import('node:sqlite') | undefined
    if (sqlite === undefined) throw unsuitable('this runtime has no node:sqlite')
    return sqlite
  } finally {
    process.emitWarning = emitWarning
  }
}
