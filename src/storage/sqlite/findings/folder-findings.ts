import { existsSync, lstatSync, readdirSync, statfsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { codeOf, fail, ok, warn } from '../../finding.ts'
import type { StorageFinding } from '../../storage.ts'
import { checkFiles } from './file-findings.ts'
import { checkKeys } from './key-findings.ts'

/** All checks of a data folder. Changes nothing. @param pepper that of the environment */
export function findingsOf(data: string, pepper: string | undefined): readonly StorageFinding[] {
  const keys = existsSync(data) ? checkKeys(data, pepper) : { findings: [], changedAt: null }
  return [
    ...checkFolder(data),
    ...keys.findings,
    checkClock(keys.changedAt, Date.now()),
    ...(existsSync(data) ? checkFiles(data) : []),
    checkDisk(data),
  ]
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
