import type { SqliteDatabase } from '../database.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import type { JobOutbox } from './job-outbox.ts'

interface ForgottenRow {
  readonly id: string
  readonly webhook: string | null
}

/** Deletes expired jobs and answers. */
export function createJobExpiry(
  database: SqliteDatabase,
  outbox: JobOutbox,
): SyncCalls<JobWrites>['forgetExpired'] {
  const removeJobs = database.prepare<ForgottenRow>(
    `DELETE FROM jobs WHERE place IN
      (SELECT place FROM jobs WHERE expires_at <= ? ORDER BY expires_at LIMIT ?) RETURNING id, webhook`,
  )
  const removeAnswers = database.prepare(
    `DELETE FROM answers WHERE rowid IN
      (SELECT rowid FROM answers WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
  )

  return (now, max) => {
    const jobs = removeJobs.all(now, max)
    for (const { id, webhook } of jobs) if (webhook !== null) outbox.forgetJob(id)
    const answers = Number(removeAnswers.run(now, max - jobs.length).changes)
    return jobs.length + answers
  }
}
