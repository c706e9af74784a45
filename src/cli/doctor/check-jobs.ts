import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inspectJobDatabase, type JobsInspection } from '../../storage/sqlite/inspect-database.ts'
import { describeError } from '../describe-error.ts'
import { type CheckResult, fail, ok, warn } from './check-result.ts'

/** Whether the jobs' database opens, is whole and of this program's version; it need not be there. */
export function checkJobs(data: string): CheckResult {
  const file = join(data, 'jobs.db')
  if (!existsSync(file)) return ok('jobs', 'none yet')
  try {
    // A new one is filled by the process that makes it; nothing beside it says whether this one ever was.
    if (statSync(file).size === 0)
      return warn(
        'jobs',
        `${file}: the file is empty`,
        'restore a backup if there were jobs; a start begins anew',
      )
    return describeInspection(inspectJobDatabase(file))
  } catch (error) {
    return fail('jobs', describeError(error).message, 'restore a backup where it is damaged')
  }
}

function describeInspection({ version, knownVersion, complaints, ...counts }: JobsInspection): CheckResult {
  if (complaints.length > 0) return fail('jobs', `damaged: ${complaints.join('; ')}`, 'restore a backup')
  const { queued, running, dead } = counts
  const message = `whole, version ${version}, ${queued} waiting, ${running} running, ${dead} dead`
  if (version > knownVersion)
    return fail('jobs', message, `use the newer program: this one knows ${knownVersion}`)
  if (version < knownVersion)
    return warn('jobs', message, `the next start brings it to version ${knownVersion}; back it up before`)
  if (dead > 0)
    return warn('jobs', message, 'see why: `jobs list --status dead`; `jobs retry` tries one again')
  return ok('jobs', message)
}
