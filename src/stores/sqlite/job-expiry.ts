import { readValue, type SqliteDatabase } from './database.ts'
import type { Carried, JobWrites } from './job-calls.ts'
import type { JobOutbox } from './job-outbox.ts'

/** Pages that stay free: new jobs take them, faster than they could be had from the disk. 8 MiB. */
const pagesFree = 2_048
/** Given back in one go: whoever commits waits for it. */
const pagesAtOnce = 256

/** Forgets what has expired, and gives its space back a bit at a time. */
export function createJobExpiry(
  database: SqliteDatabase,
  outbox: JobOutbox,
): Carried<JobWrites>['forgetExpired'] {
  const removeJobs = database.prepare<{ owner: string }>(
    `DELETE FROM jobs WHERE place IN
      (SELECT place FROM jobs WHERE expires_at <= ? ORDER BY expires_at LIMIT ?) RETURNING owner`,
  )
  const removeAnswers = database.prepare(
    `DELETE FROM answers WHERE rowid IN
      (SELECT rowid FROM answers WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
  )
  const removeOwner = database.prepare(
    'DELETE FROM owners WHERE owner = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE owner = ?1)',
  )
  const removeTurns = database.prepare('DELETE FROM turns WHERE owner = ?')

  function forgetOwner(owner: string): void {
    // Their deliveries went with the jobs.
    outbox.refresh(owner)
    if (Number(removeOwner.run(owner).changes) > 0) removeTurns.run(owner)
  }

  return (now, max) => {
    const owners = removeJobs.all(now, max).map(({ owner }) => owner)
    for (const owner of new Set(owners)) forgetOwner(owner)
    const answers = Number(removeAnswers.run(now, max - owners.length).changes)
    if (Number(readValue(database, 'PRAGMA freelist_count')) > pagesFree)
      database.exec(`PRAGMA incremental_vacuum(${pagesAtOnce})`)
    return owners.length + answers
  }
}
