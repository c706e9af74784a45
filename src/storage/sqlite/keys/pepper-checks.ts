import { SetupError } from '../../../core/setup-error.ts'
import { pepperMismatch, pepperMissing } from '../../../keys/verify/check-peppers.ts'
import type { Peppers } from '../../../secrets/peppers.ts'
import { readValue, type SqliteDatabase } from '../database.ts'

/** The check values of peppers, by version, as a file has them. */
export type PepperChecks = ReadonlyMap<number, string>

const prefix = 'pepper.'

export function readPepperChecks(database: SqliteDatabase): PepperChecks {
  const settings = database
    .prepare<{ name: string; value: string }>(`SELECT name, value FROM settings WHERE name GLOB '${prefix}*'`)
    .all()
  return new Map(settings.map(({ name, value }) => [Number(name.slice(prefix.length)), value]))
}

/**
 * Whether a file whose rows have no MACs had them. The pepper says that it never had: only a file
 * of before MACs has that check value, and it takes the pepper to make it. A program that takes
 * the MACs away leaves the one of rows with MACs, or none.
 */
export function areMacsTaken(database: SqliteDatabase, checks: PepperChecks, peppers: Peppers): boolean {
  const neverHadThem =
    checks.size > 0 && [...checks].every(([version, check]) => isOld(peppers, version, check))
  return !neverHadThem && (hasRows(database, 'keys') || hasRows(database, 'owners'))
}

/** Refuses rows whose MACs were taken away. @throws SetupError `data_corrupt`, `pepper_*` */
export function refuseTakenMacs(database: SqliteDatabase, file: string, peppers: Peppers): void {
  const checks = readPepperChecks(database)
  checkThem(checks, peppers)
  if (!areMacsTaken(database, checks, peppers)) return
  throw new SetupError(
    'data_corrupt',
    `${file}: its rows have no MACs, and the pepper does not say that they never had any: another program may have changed them; restore a backup`,
  )
}

/** From here on each check value says that the rows have MACs. @throws SetupError `pepper_*` */
export function renewPepperChecks(database: SqliteDatabase, peppers: Peppers): void {
  const checks = readPepperChecks(database)
  checkThem(checks, peppers)
  const put = database.prepare('UPDATE settings SET value = ? WHERE name = ?')
  for (const version of checks.keys()) put.run(peppers.checkValue(version), `${prefix}${version}`)
}

function checkThem(checks: PepperChecks, peppers: Peppers): void {
  for (const [version, check] of checks) {
    if (!peppers.versions.includes(version)) throw pepperMissing(version)
    if (check !== peppers.checkValue(version) && !isOld(peppers, version, check))
      throw pepperMismatch(version)
  }
}

function isOld(peppers: Peppers, version: number, check: string): boolean {
  return peppers.versions.includes(version) && check === peppers.checkValueWithoutMacs(version)
}

/** The first version has no owners. */
function hasRows(database: SqliteDatabase, table: 'keys' | 'owners'): boolean {
  const isThere = readValue(database, `SELECT count(*) FROM sqlite_schema WHERE name = '${table}'`) === 1
  return isThere && readValue(database, `SELECT EXISTS (SELECT 1 FROM ${table})`) === 1
}
