import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../../../core/setup-error.ts'
import { fail, messageOf, ok, warn } from '../../finding.ts'
import type { StorageFinding } from '../../storage.ts'
import type { SqliteDatabase } from '../database.ts'
import { type FileInspection, inspect, inspectJobDatabase } from '../inspect-database.ts'
import { getLatestChange } from '../ledger/latest-change.ts'
import { ledgerKind } from '../ledger/ledger-database.ts'
import { rollUpKind } from '../ledger/usage/usage-database.ts'
import { limitsKind } from '../limits/usage-schema.ts'
import type { DatabaseKind } from '../prepare-database.ts'

/** Whether the databases beside the keys open, are whole and of this program's version. */
export function checkFiles(data: string): readonly StorageFinding[] {
  return [
    checkFile(
      data,
      'ledger',
      'ledger.db',
      ledgerKind,
      'restore a backup, and run `ledger verify`',
      getLatestChange,
    ),
    checkFile(data, 'usage', 'ledger-usage.db', rollUpKind, 'remove it: it is made anew from the records'),
    checkFile(
      data,
      'limits',
      'limits.db',
      limitsKind,
      'restore a backup; without it, long limits begin anew',
    ),
    checkJobs(data),
  ]
}

/** @param holds its contents, for the message */
export function describeDatabase(
  check: string,
  { version, knownVersion, complaints }: FileInspection,
  holds: string,
  todo = 'restore a backup',
): StorageFinding {
  if (complaints.length > 0) return fail(check, `damaged: ${complaints.join('; ')}`, todo)
  const message = `whole, version ${version}${holds === '' ? '' : `, ${holds}`}`
  if (version > knownVersion)
    return fail(check, message, `use the newer program: this one knows ${knownVersion}`)
  if (version < knownVersion)
    return warn(check, message, `the next start brings it to version ${knownVersion}; back it up before`)
  return ok(check, message)
}

/** Largest file that is looked at page by page: a second or two. */
const lookedAtMax = 256 * 2 ** 20

function checkFile(
  data: string,
  check: string,
  name: string,
  kind: DatabaseKind,
  todo: string,
  read: (database: SqliteDatabase, file: string) => void = () => {},
): StorageFinding {
  const file = join(data, name)
  const size = statSync(file, { throwIfNoEntry: false })?.size
  if (size === undefined) return ok(check, 'none yet')
  if (size === 0) return warn(check, `${file}: the file is empty`, todo)
  try {
    const isLarge = size > lookedAtMax
    const reading = (database: SqliteDatabase): object => {
      read(database, file)
      return {}
    }
    const found = inspect(file, kind, {}, reading, { pages: isLarge ? 'none' : 'quick', waitMs: 100 })
    const large = 'not looked at page by page, as it is large'
    return describeDatabase(check, found, isLarge ? large : '', todo)
  } catch (error) {
    if (error instanceof SetupError && error.code === 'data_locked')
      return ok(check, 'a running process has it to itself: look again when it has ended')
    return fail(check, messageOf(error), todo)
  }
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
    if (found.damaged.length > 0)
      return fail(
        'jobs',
        `damaged: ${found.damaged.slice(0, 10).join(', ')}${found.damaged.length > 10 ? ` and ${found.damaged.length - 10} more` : ''}`,
        'restore a backup; all other jobs go on, and these go by themselves',
      )
    const holds = `${found.queued} waiting, ${found.running} running, ${found.dead} dead`
    const finding = describeDatabase('jobs', found, holds)
    if (finding.status !== 'ok' || found.dead === 0) return finding
    return warn('jobs', finding.message, 'see why: `jobs list --status dead`; `jobs retry` tries one again')
  } catch (error) {
    return fail('jobs', messageOf(error), 'restore a backup where it is damaged')
  }
}
