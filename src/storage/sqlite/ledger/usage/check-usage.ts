import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { SetupError } from '../../../../core/setup-error.ts'
import type { LedgerFinding } from '../../../../ledger/verify/finding.ts'
import { readValue, type SqliteDatabase } from '../../database.ts'
import { setupErrorOf } from '../../sqlite-error.ts'
import { inTransaction } from '../../transaction.ts'
import { hasSchema } from '../check-schema.ts'
import { openLedgerDatabaseToRead } from '../ledger-database.ts'
import { type BucketCheck, checkBuckets } from './check-buckets.ts'
import { isOf, oldestBlock, recordsMax } from './fill-usage.ts'
import {
  createTemporaryUsage,
  type Filled,
  openUsageDatabaseToRead,
  readFilled,
  usageFileOf,
  usageSchema,
} from './usage-database.ts'
import { createUsageDifferences, type UsageDifferences } from './usage-differences.ts'

/** What a check of the roll-up gave. */
export interface CheckedUsage {
  readonly finding: LedgerFinding | undefined
  /** What to know to interpret it; one sentence each. */
  readonly notes: readonly string[]
}

export interface UsageCheckOptions {
  /** The ledger's file, or a copy of it; its roll-up may lie beside it. */
  readonly ledgerFile: string
  /** Asked now and then: whether the answer is not wanted any more. */
  readonly isStopped: () => boolean
}

/** Pages of the recomputed roll-up in memory; the rest goes to a temporary file. */
const cacheKiB = 32_768

/**
 * Sums up the records once more, with the code that made the roll-up beside a ledger, and compares:
 * as far as that one goes, and records are kept. Reads beside its writers, and changes nothing.
 *
 * @throws SetupError `data_newer`, `data_locked`, `data_unreadable`
 */
export function checkUsage(options: UsageCheckOptions): CheckedUsage {
  const { ledgerFile } = options
  const alone = [ledgerFile, usageFileOf(ledgerFile)].filter(hasNoLog)
  const checked = checkFiles(options, (file) => alone.includes(file))
  // A server that was started meanwhile wrote under a reader without locks.
  const isDisturbed = !alone.every(hasNoLog)
  return checked.finding !== undefined && isDisturbed ? checkFiles(options, () => false) : checked
}

/** Copies without a log may lie where nothing can be written. */
function hasNoLog(file: string): boolean {
  return !existsSync(`${file}-wal`)
}

function checkFiles(options: UsageCheckOptions, isAlone: (file: string) => boolean): CheckedUsage {
  const { ledgerFile } = options
  const ledger = openLedgerDatabaseToRead(ledgerFile, isAlone(ledgerFile))
  try {
    const differences = createUsageDifferences(ledger, usageFileOf(ledgerFile))
    const notes = checkBeside(ledger, isAlone, options, differences)
    return { finding: differences.finding(), notes }
  } finally {
    ledger.close()
  }
}

/** @returns notes */
function checkBeside(
  ledger: SqliteDatabase,
  isAlone: (file: string) => boolean,
  { ledgerFile, isStopped }: UsageCheckOptions,
  differences: UsageDifferences,
): readonly string[] {
  const file = usageFileOf(ledgerFile)
  let usage: SqliteDatabase | undefined
  try {
    // Before the snapshot: retention drops only what is summed up.
    const oldest = oldestBlock(ledger)
    usage = openUsageDatabaseToRead(ledgerFile, isAlone(file))
    if (usage === undefined)
      return [
        `There is no ${basename(file)}: usage is read from the records, and a server sums them up anew.`,
      ]
    const snapshot = { usage, ledger, oldest, isStopped, differences }
    return inTransaction(usage, () => checkSnapshot(snapshot), 'DEFERRED')
  } catch (error) {
    const reason = setupErrorOf(error, file)
    if (!isDamage(reason)) throw reason
    differences.tell(`its file cannot be read: ${reason.message}`)
    return []
  } finally {
    usage?.close()
  }
}

function isDamage(error: unknown): error is Error {
  // The driver throws a RangeError for a number that is too large.
  return error instanceof RangeError || (error instanceof SetupError && error.code === 'data_corrupt')
}

interface Snapshot extends Pick<BucketCheck, 'usage' | 'ledger' | 'isStopped' | 'differences'> {
  /** The oldest block of the ledger, before the snapshot of its roll-up. */
  readonly oldest: number
}

/** @returns notes */
function checkSnapshot({ oldest, ...files }: Snapshot): readonly string[] {
  const { usage, ledger, differences } = files
  // First: of another schema not even the position can be read.
  if (!hasSchema(usage, usageSchema)) {
    differences.tell('its tables are not those that it is made with')
    return []
  }
  const filled = readFilled(usage)
  const wrong = wrongWhole(usage, ledger, filled, oldest)
  if (wrong !== undefined) {
    differences.tell(wrong)
    return []
  }
  const recomputed = createTemporaryUsage(usage, cacheKiB)
  try {
    const partial = checkBuckets({ ...files, filled, recomputed })
    return [...describeFilled(ledger, filled), ...describePartial(partial)]
  } finally {
    recomputed.close()
  }
}

/** What is wrong with the file or its position, so that no row of it need be looked at. */
function wrongWhole(
  usage: SqliteDatabase,
  ledger: SqliteDatabase,
  filled: Filled,
  oldest: number,
): string | undefined {
  const check = readValue(usage, 'PRAGMA quick_check(1)')
  if (check !== 'ok') return `its file is damaged: ${check}`
  const goesTo = `it goes up to block ${filled.block}`
  if (!isOf(ledger, filled)) return `${goesTo}, which is another one in this ledger or not in it`
  if (filled.block > 0 && filled.block < oldest - 1)
    return `${goesTo}, and the records from there up to block ${oldest} were dropped`
  return undefined
}

/** A server holds some in memory: only more than that is worth a word. */
function describeFilled(ledger: SqliteDatabase, { block }: Filled): readonly string[] {
  const count = ledger.prepareCells<readonly [number | null]>('SELECT sum(count) FROM block WHERE id > ?')
  const behind = count.get(block)?.[0] ?? 0
  if (behind <= recordsMax) return []
  return [
    `Usage of the last ${behind} records is not summed up yet: each query reads them until a server has done it.`,
  ]
}

function describePartial(count: number): readonly string[] {
  if (count === 0) return []
  return [
    `Sums of usage of ${count} ${count === 1 ? 'hour or day' : 'hours and days'} were not compared in full: records of them were dropped by retention.`,
  ]
}
