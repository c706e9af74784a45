import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Peppers, parsePeppers } from '../../../secrets/peppers.ts'
import { codeOf, fail, messageOf, ok, warn } from '../../finding.ts'
import type { StorageFinding } from '../../storage.ts'
import { type DatabaseInspection, inspectDatabase } from '../inspect-database.ts'
import type { RowsInspection } from '../keys/inspect-rows.ts'
import { findLatestChange } from '../ledger/latest-change.ts'
import { describeDatabase } from './file-findings.ts'

export interface KeyFindings {
  readonly findings: readonly StorageFinding[]
  /** When a key was last changed, milliseconds since the epoch; null if unknown. */
  readonly changedAt: number | null
}

/**
 * Whether the database opens, is whole, of this program's version and as new as the ledger knows,
 * each row is the one that was written, and the pepper fits its keys.
 */
export function checkKeys(data: string, pepper: string | undefined): KeyFindings {
  const file = join(data, 'modelward.db')
  const read = readPeppers(data, pepper)
  try {
    const recorded = findRecorded(data)
    const found = inspectDatabase(file, (checks) =>
      read.peppers !== undefined && wrongOf(read.peppers, checks).length === 0 ? read.peppers : undefined,
    )
    const isCutOff = statSync(file).size === 0 && existsSync(join(data, 'pepper'))
    const database = isCutOff ? cutOff : describeKeys(found, recorded)
    return { findings: [database, checkPepper(read, found.pepperChecks)], changedAt: found.changedAt }
  } catch (error) {
    const database = fail('database', messageOf(error), 'restore a backup where it is damaged or gone')
    return { findings: [database, checkPepper(read, new Map())], changedAt: null }
  }
}

/** A ledger that cannot be read has a finding of its own. */
function findRecorded(data: string): number {
  try {
    return findLatestChange(join(data, 'ledger.db'))
  } catch {
    return 0
  }
}

const cutOff = fail(
  'database',
  'the file is empty, and the pepper beside it says that it was not',
  'restore a backup, or move pepper and ledger away to begin anew',
)

function describeKeys(found: DatabaseInspection, recorded: number): StorageFinding {
  const { rows, latestChange = 0 } = found
  const keys = `${found.keys} ${found.keys === 1 ? 'key' : 'keys'}`
  const whole = describeDatabase('database', found, keys)
  if (whole.status === 'fail') return whole
  if (found.areMacsTaken)
    return fail(
      'database',
      'its rows have no MACs, and had them: another program may have changed what they say',
      'restore a backup; no server starts with it',
    )
  const damage = rows && describeDamage(rows)
  if (damage !== undefined) return damage
  if (latestChange < recorded)
    return fail(
      'database',
      `older than the ledger: its last change is number ${latestChange}, and the ledger has records up to number ${recorded}`,
      'put the newer file back, or run `keys restored` if it is a backup that you restored',
    )
  if (rows === undefined || rows.unchecked === 0) return whole
  return warn('database', `${whole.message}, ${rows.unchecked} rows not looked at`, 'there are too many')
}

function describeDamage({ damaged, damagedCount, isWhole }: RowsInspection): StorageFinding | undefined {
  if (damagedCount > 0) {
    const more = damagedCount > damaged.length ? ` and ${damagedCount - damaged.length} more` : ''
    return fail(
      'database',
      `not as they were written: ${damaged.join(', ')}${more}`,
      'restore a backup; such a key answers 503 until then, and its owner can be given a new one',
    )
  }
  if (isWhole !== false) return undefined
  return fail(
    'database',
    'rows are missing, or stand as they were before a later change, such as a revocation',
    'restore a backup; no server starts with it',
  )
}

interface ReadPeppers {
  readonly peppers: Peppers | undefined
  /** Where they are from, for messages. */
  readonly from: string
  /** Why they cannot be read; empty if they can. */
  readonly fault: string
}

function readPeppers(data: string, fromEnvironment: string | undefined): ReadPeppers {
  const from = fromEnvironment === undefined ? 'of the data folder' : 'of the environment'
  try {
    const text = fromEnvironment ?? readFileSync(join(data, 'pepper'), 'utf8')
    return { peppers: parsePeppers(text, 'use'), from, fault: '' }
  } catch (error) {
    const fault = `${join(data, 'pepper')} ${describePepperFault(codeOf(error))}`
    return { peppers: undefined, from, fault }
  }
}

/** Versions that keys were made with and that are not there, or differ. */
function wrongOf(peppers: Peppers, checks: ReadonlyMap<number, string>): readonly number[] {
  const wrong = [...checks].filter(
    ([version, check]) =>
      !peppers.versions.includes(version) ||
      (check !== peppers.checkValue(version) && check !== peppers.checkValueWithoutMacs(version)),
  )
  return wrong.map(([version]) => version)
}

function checkPepper(
  { peppers, from, fault }: ReadPeppers,
  checks: ReadonlyMap<number, string>,
): StorageFinding {
  if (peppers === undefined) {
    const todo = 'restore it from your backup, or set MODELWARD_PEPPER_FILE; without it no key works'
    return fail('pepper', fault, todo)
  }
  const wrong = wrongOf(peppers, checks)
  if (wrong.length > 0)
    return fail(
      'pepper',
      `that ${from} is not the one the keys were made with (version ${wrong.join(', ')})`,
      'restore the right one from your backup; without it no key works',
    )
  const use = checks.size === 0 ? '; no key was made with it yet' : ', the right one'
  return ok('pepper', `that ${from}${use}`)
}

function describePepperFault(code: string): string {
  if (code === 'ENOENT') return 'is not there'
  return code === 'pepper_unreadable' ? 'is no pepper' : `cannot be read: ${code}`
}
