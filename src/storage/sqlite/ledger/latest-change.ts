import { existsSync } from 'node:fs'
import { bufferOf, type LedgerBlock, walkEntries } from '../../../ledger/format/block.ts'
import { decodeEntry } from '../../../ledger/format/encoding.ts'
import { changeEvents, ledgerEvents } from '../../../ledger/format/event.ts'
import { readValue, type SqliteDatabase } from '../database.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { openLedgerDatabaseToRead } from './ledger-database.ts'

const changes: ReadonlySet<number> = new Set(changeEvents.map((name) => ledgerEvents[name]))

/** The byte of an entry that names its event. */
const eventOffset = 1

/** How far the changes of the keys' store had come by this entry; 0 for one that does not say. */
function changeOf(entry: Uint8Array): number {
  if (!changes.has(entry[eventOffset] ?? 0)) return 0
  const change = decodeEntry(entry).detail?.['change']
  return typeof change === 'number' && Number.isSafeInteger(change) && change > 0 ? change : 0
}

/** Keeps how far changes have come, with their records: the caller brings the transaction. */
export function createChangeNote(database: SqliteDatabase): (entry: Uint8Array) => void {
  const put = database.prepare('UPDATE latest_change SET change = max(change, ?)')
  return (entry) => {
    const change = changeOf(entry)
    if (change > 0) put.run(change)
  }
}

/** The latest change that a block's records know of; 0 if they know of none. */
export function latestChangeIn({ body }: LedgerBlock): number {
  const bytes = bufferOf(body)
  let latest = 0
  walkEntries(bytes, (start, end) => {
    latest = Math.max(latest, changeOf(bytes.subarray(start, end)))
  })
  return latest
}

/** The latest change that a ledger's records know of, from what is kept beside them. */
export function readLatestChange(database: SqliteDatabase): number {
  const version = Number(readValue(database, 'PRAGMA user_version'))
  return version < 2 ? 0 : Number(readValue(database, 'SELECT change FROM latest_change') ?? 0)
}

/**
 * The same of a ledger's file, beside its writers; 0 without one, or without a record.
 *
 * @throws SetupError as `openLedgerDatabaseToRead`
 */
export function findLatestChange(file: string): number {
  if (!existsSync(file)) return 0
  const database = openLedgerDatabaseToRead(file, !existsSync(`${file}-wal`))
  try {
    return readLatestChange(database)
  } catch (error) {
    throw setupErrorOf(error, file)
  } finally {
    database.close()
  }
}
