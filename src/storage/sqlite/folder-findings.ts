import { existsSync, lstatSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Peppers, parsePeppers } from '../../secrets/peppers.ts'
import type { StorageFinding } from '../storage.ts'
import {
  type DatabaseInspection,
  type FileInspection,
  inspectDatabase,
  inspectJobDatabase,
} from './inspect-database.ts'

/** All checks of a data folder. Changes nothing. @param pepper that of the environment */
export function findingsOf(data: string, pepper: string | undefined): readonly StorageFinding[] {
  const keys = existsSync(data) ? checkKeys(data, pepper) : { findings: [], changedAt: null }
  return [
    ...checkFolder(data),
    ...keys.findings,
    checkClock(keys.changedAt, Date.now()),
    ...(existsSync(data) ? [checkJobs(data)] : []),
    checkDisk(data),
  ]
}

const ok = (check: string, message: string): StorageFinding => ({ check, status: 'ok', message })
const warn = (check: string, message: string, todo: string): StorageFinding => {
  return { check, status: 'warn', message, todo }
}
const fail = (check: string, message: string, todo: string): StorageFinding => {
  return { check, status: 'fail', message, todo }
}

/** Whether the folder exists and is closed to other users: 0700, and 0600 for each file in it. */
function checkFolder(data: string): readonly StorageFinding[] {
  try {
    const folder = lstatSync(resolve(data))
    if (!folder.isDirectory() && !folder.isSymbolicLink())
      return [fail('data folder', `${data} is not a folder`, 'name another with --data')]
    const open = [data, ...readdirSync(data).map((name) => join(data, name))].filter(isOpenToOthers)
    if (open.length === 0) return [ok('data folder', `${data}, closed to other users`)]
    const todo = `chmod 700 ${data}; chmod 600 ${data}/*`
    return [fail('data folder', `other users may use ${open.join(', ')}`, todo)]
  } catch (error) {
    const reason = codeOf(error)
    if (reason !== 'ENOENT')
      return [fail('data folder', `${data} cannot be read: ${reason}`, 'run this as the user of the server')]
    const todo = 'name it with --data; `serve` and `keys create` make a new one'
    return [fail('data folder', `${data} is not there`, todo)]
  }
}

function isOpenToOthers(path: string): boolean {
  if (process.platform === 'win32') return false
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found !== undefined && !found.isSymbolicLink() && (found.mode & 0o077) !== 0
}

interface KeyFindings {
  readonly findings: readonly StorageFinding[]
  /** When a key was last changed, milliseconds since the epoch; null if unknown. */
  readonly changedAt: number | null
}

/**
 * Whether the database opens, is whole and of this program's version, and the pepper fits its keys.
 */
function checkKeys(data: string, pepper: string | undefined): KeyFindings {
  const file = join(data, 'modelward.db')
  try {
    const found = inspectDatabase(file)
    const isCutOff = statSync(file).size === 0 && existsSync(join(data, 'pepper'))
    const database = isCutOff ? cutOff : describeKeys(found)
    return {
      findings: [database, checkPepper(data, pepper, found.pepperChecks)],
      changedAt: found.changedAt,
    }
  } catch (error) {
    const database = fail('database', messageOf(error), 'restore a backup where it is damaged or gone')
    return { findings: [database, checkPepper(data, pepper, new Map())], changedAt: null }
  }
}

const cutOff = fail(
  'database',
  'the file is empty, and the pepper beside it says that it was not',
  'restore a backup, or remove both to begin anew',
)

function describeKeys(found: DatabaseInspection): StorageFinding {
  const keys = `${found.keys} ${found.keys === 1 ? 'key' : 'keys'}`
  return describeDatabase('database', found, keys)
}

/** @param holds its contents, for the message */
function describeDatabase(
  check: string,
  { version, knownVersion, complaints }: FileInspection,
  holds: string,
): StorageFinding {
  if (complaints.length > 0) return fail(check, `damaged: ${complaints.join('; ')}`, 'restore a backup')
  const message = `whole, version ${version}, ${holds}`
  if (version > knownVersion)
    return fail(check, message, `use the newer program: this one knows ${knownVersion}`)
  if (version < knownVersion)
    return warn(check, message, `the next start brings it to version ${knownVersion}; back it up before`)
  return ok(check, message)
}

function checkPepper(
  data: string,
  fromEnvironment: string | undefined,
  checks: ReadonlyMap<number, string>,
): StorageFinding {
  let peppers: Peppers
  try {
    peppers = parsePeppers(fromEnvironment ?? readFileSync(join(data, 'pepper'), 'utf8'), 'use')
  } catch (error) {
    const todo = 'restore it from your backup, or set MODELWARD_PEPPER_FILE; without it no key works'
    return fail('pepper', `${join(data, 'pepper')} ${describePepperFault(codeOf(error))}`, todo)
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
  const use = checks.size === 0 ? '; no key was made with it yet' : ', the right one'
  return ok('pepper', `that ${from}${use}`)
}

function describePepperFault(code: string): string {
  if (code === 'ENOENT') return 'is not there'
  return code === 'pepper_unreadable' ? 'is no pepper' : `cannot be read: ${code}`
}

/** When this program was written: a clock before it is wrong. 1 November 2026. */
const writtenAt = Date.UTC(2026, 10, 1)

/** Whether the clock can be right: keys expire by it. */
function checkClock(changedAt: number | null, now: number): StorageFinding {
  const time = new Date(now).toISOString()
  const todo = 'set the clock, by NTP: keys expire by it'
  if (now < writtenAt) return fail('clock', `${time} is before this program was written`, todo)
  if (changedAt === null || changedAt <= now) return ok('clock', time)
  const changed = new Date(changedAt).toISOString()
  return fail('clock', `${time} is before the last change of a key, ${changed}`, todo)
}

/** Whether the jobs' database opens, is whole and of this program's version; it may be absent. */
function checkJobs(data: string): StorageFinding {
  const file = join(data, 'jobs.db')
  if (!existsSync(file)) return ok('jobs', 'none yet')
  try {
    // The process that creates a file fills it; nothing beside it says whether this one ever was.
    if (statSync(file).size === 0) {
      const todo = 'restore a backup if there were jobs; a start begins anew'
      return warn('jobs', `${file}: the file is empty`, todo)
    }
    const found = inspectJobDatabase(file)
    const holds = `${found.queued} waiting, ${found.running} running, ${found.dead} dead`
    const finding = describeDatabase('jobs', found, holds)
    if (finding.status !== 'ok' || found.dead === 0) return finding
    return warn('jobs', finding.message, 'see why: `jobs list --status dead`; `jobs retry` tries one again')
  } catch (error) {
    return fail('jobs', messageOf(error), 'restore a backup where it is damaged')
  }
}

const bytesFail = 16 * 1_048_576
const bytesWarn = 512 * 1_048_576

/** Whether the disk of the data folder, or of its closest existing parent, has room. */
function checkDisk(data: string): StorageFinding {
  for (let folder = resolve(data); ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = statfsSync(folder)
      const bytes = bavail * bsize
      const message = `${Math.floor(bytes / 1_048_576)} MiB free`
      if (bytes < bytesFail)
        return fail('disk', message, 'free some space: keys cannot be changed on a full disk')
      return bytes < bytesWarn ? warn('disk', message, 'free some space soon') : ok('disk', message)
    } catch (error) {
      if (folder === dirname(folder)) return warn('disk', `cannot be asked: ${codeOf(error)}`, 'look with df')
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
