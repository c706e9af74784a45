import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Peppers, parsePeppers } from '../../secrets/peppers.ts'
import { type DatabaseInspection, inspectDatabase } from '../../storage/sqlite/inspect-database.ts'
import { describeError } from '../describe-error.ts'
import { reasonOf } from '../terminal/output-file.ts'
import { type CheckResult, fail, ok, warn } from './check-result.ts'

/** Whether the database opens, is whole and of this program's version, and whether the pepper is the one of its keys. */
export function checkDatabase(data: string, pepper: string | undefined): readonly CheckResult[] {
  const file = join(data, 'modelward.db')
  let inspection: DatabaseInspection
  try {
    inspection = inspectDatabase(file)
  } catch (error) {
    const report = describeError(error)
    return [
      fail('database', report.message, 'restore a backup where it is damaged or gone'),
      checkPepper(data, pepper, new Map()),
    ]
  }
  return [
    isCutOff(data, file) ? cutOff : describeInspection(inspection),
    checkPepper(data, pepper, inspection.pepperChecks),
    checkClock(inspection.changedAt, Date.now()),
  ]
}

const cutOff = fail(
  'database',
  'the file is empty, and the pepper beside it says that it was not',
  'restore a backup, or remove both to begin anew',
)

function isCutOff(data: string, file: string): boolean {
  return statSync(file).size === 0 && existsSync(join(data, 'pepper'))
}

function describeInspection({ version, knownVersion, complaints, keys }: DatabaseInspection): CheckResult {
  if (complaints.length > 0) return fail('database', `damaged: ${complaints.join('; ')}`, 'restore a backup')
  const message = `whole, version ${version}, ${keys} ${keys === 1 ? 'key' : 'keys'}`
  if (version > knownVersion)
    return fail('database', message, `use the newer program: this one knows ${knownVersion}`)
  if (version < knownVersion)
    return warn('database', message, `the next start brings it to version ${knownVersion}; back it up before`)
  return ok('database', message)
}

function checkPepper(
  data: string,
  fromEnvironment: string | undefined,
  checks: ReadonlyMap<number, string>,
): CheckResult {
  let peppers: Peppers
  try {
    peppers = parsePeppers(fromEnvironment ?? readFileSync(join(data, 'pepper'), 'utf8'), 'use')
  } catch (error) {
    const code = reasonOf(error)
    const why =
      code === 'ENOENT'
        ? 'is not there'
        : code === 'pepper_unreadable'
          ? 'is no pepper'
          : `cannot be read: ${code}`
    const todo = 'restore it from your backup, or set MODELWARD_PEPPER_FILE; without it no key works'
    return fail('pepper', `${join(data, 'pepper')} ${why}`, todo)
  }
  const wrong = [...checks].filter(
    ([version, check]) => !peppers.versions.includes(version) || peppers.checkValue(version) !== check,
  )
  const from = fromEnvironment === undefined ? 'of the data folder' : 'of the environment'
  if (wrong.length > 0)
    return fail(
      'pepper',
      `that ${from} is not the one the keys were made with (version ${wrong.map(([version]) => version).join(', ')})`,
      'restore the right one from your backup; without it no key works',
    )
  return ok(
    'pepper',
    checks.size === 0 ? `that ${from}; no key was made with it yet` : `that ${from}, the right one`,
  )
}

/** When this program was written: a clock before it is wrong. 1 November 2026. */
const writtenAt = Date.UTC(2026, 10, 1)

/** Whether the clock can be right: expiries hang on it. */
export function checkClock(changedAt: number | null, now: number): CheckResult {
  const time = new Date(now).toISOString()
  const todo = 'set the clock, by NTP: keys expire by it'
  if (now < writtenAt) return fail('clock', `${time} is before this program was written`, todo)
  if (changedAt !== null && changedAt > now)
    return fail(
      'clock',
      `${time} is before the last change of a key, ${new Date(changedAt).toISOString()}`,
      todo,
    )
  return ok('clock', time)
}
