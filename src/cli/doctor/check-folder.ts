import { lstatSync, readdirSync, statfsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { reasonOf } from '../terminal/output-file.ts'
import { type CheckResult, fail, ok, warn } from './check-result.ts'

/** Whether the data folder is there and closed to other users: 0700, and 0600 for each file in it. */
export function checkFolder(data: string): readonly CheckResult[] {
  try {
    const folder = lstatSync(resolve(data))
    if (!folder.isDirectory() && !folder.isSymbolicLink())
      return [fail('data folder', `${data} is not a folder`, 'name another with --data')]
    const open = [data, ...readdirSync(data).map((name) => join(data, name))].filter(isOpenToOthers)
    if (open.length === 0) return [ok('data folder', `${data}, closed to other users`)]
    const todo = `chmod 700 ${data}; chmod 600 ${data}/*`
    return [fail('data folder', `other users may use ${open.join(', ')}`, todo)]
  } catch (error) {
    if (reasonOf(error) !== 'ENOENT')
      return [
        fail(
          'data folder',
          `${data} cannot be read: ${reasonOf(error)}`,
          'run this as the user of the server',
        ),
      ]
    return [
      fail(
        'data folder',
        `${data} is not there`,
        'name it with --data; `serve` and `keys create` make a new one',
      ),
    ]
  }
}

function isOpenToOthers(path: string): boolean {
  if (process.platform === 'win32') return false
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found !== undefined && !found.isSymbolicLink() && (found.mode & 0o077) !== 0
}

const bytesFail = 16 * 1_048_576
const bytesWarn = 512 * 1_048_576

/** Whether the disk of the data folder, or of the place where it would be, has room. */
export function checkDisk(data: string): CheckResult {
  for (let folder = resolve(data); ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = statfsSync(folder)
      const bytes = bavail * bsize
      const message = `${Math.floor(bytes / 1_048_576)} MiB free`
      if (bytes < bytesFail)
        return fail('disk', message, 'free some space: keys cannot be changed on a full disk')
      return bytes < bytesWarn ? warn('disk', message, 'free some space soon') : ok('disk', message)
    } catch (error) {
      if (folder === dirname(folder))
        return warn('disk', `cannot be asked: ${reasonOf(error)}`, 'look with df')
    }
  }
}
