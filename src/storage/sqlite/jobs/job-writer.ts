import { readValue, type SqliteDatabase } from '../database.ts'
import { giveBackPages } from '../give-back-pages.ts'
import { setupErrorOf } from '../sqlite-error.ts'
import { failureOf } from '../threads/thread-program.ts'
import { inTransaction } from '../transaction.ts'
import { checkJobs } from './check-jobs.ts'
import { createJobAnswers } from './job-answers.ts'
import {
  type Committed,
  execute,
  type JobCall,
  type JobThreadCalls,
  type JobThreadData,
  type JobWrites,
  type SyncCalls,
} from './job-calls.ts'
import { createAttemptChanges, createJobSubmit, createOwnerChanges } from './job-changes.ts'
import { createJobClaims } from './job-claims.ts'
import { createLazyDatabase, openJobDatabase } from './job-database.ts'
import { createJobExpiry } from './job-expiry.ts'
import { type ChangeNotes, createChangeNotes, createJobParts, type JobChanges } from './job-parts.ts'
import { createSecretWriter } from './job-secrets.ts'

/** Pages that stay free for new jobs, which is faster than asking the disk for them. 8 MiB. */
const pagesKept = 2_048
/** Longest turn of giving space back: commits wait for it. */
const turnMs = 100

/**
 * The writing side of the jobs, run by a thread. A group of calls is one transaction: on the disk
 * when it returns, undone when it throws. A failed call undoes itself alone. Opening is tried again
 * at the next call.
 */
export function createJobWriter({ file, isChecked }: JobThreadData): Omit<JobThreadCalls, 'read'> {
  function prepare(database: SqliteDatabase): { readonly notes: ChangeNotes; readonly execute: CallRunner } {
    const notes = createChangeNotes()
    return { notes, execute: createCallRunner(database, createJobWrites(database, notes), notes) }
  }

  const jobs = createLazyDatabase(file, openJobDatabase, prepare, true)

  return {
    open() {
      try {
        const { database } = jobs.use()
        if (isChecked) checkJobs(database, file)
      } catch (error) {
        throw setupErrorOf(error, file)
      }
    },
    commit({ calls, isWatched }) {
      const { database, files, execute, notes } = jobs.use()
      // A deleted file stays writable while open: what is written to it would be lost.
      files.check()
      notes.begin(isWatched)
      return inTransaction(database, () => ({ outcomes: calls.map(execute), changes: notes.take() }))
    },
    readDataVersion: () => Number(readValue(jobs.use().database, 'PRAGMA data_version')),
    giveBack() {
      const { database, files } = jobs.use()
      files.check()
      const { freed, left } = giveBackPages(database, pagesKept, performance.now() + turnMs)
      if (freed > 0) database.exec(`PRAGMA wal_checkpoint(${left > 0 ? 'PASSIVE' : 'TRUNCATE'})`)
    },
    close: jobs.close,
  }
}

/** All writes, on an open database and within the caller's transaction. */
export function createJobWrites(database: SqliteDatabase, changes: JobChanges): SyncCalls<JobWrites> {
  const parts = createJobParts(database, changes)
  const { reserve, storeAnswer, release, releaseLeft, ...answers } = createJobAnswers(database)
  const { claimDeliveries, settleDelivery, retryDelivery } = parts.outbox
  return {
    ...createAttemptChanges(database, parts),
    ...createOwnerChanges(parts),
    submit: createJobSubmit(database, parts, { storeAnswer, ...answers }),
    claim: createJobClaims(database, parts),
    forgetExpired: createJobExpiry(database, parts.outbox),
    reserve,
    storeAnswer,
    release,
    releaseLeft,
    claimDeliveries,
    settleDelivery,
    retryDelivery,
    addWebhookSecret: createSecretWriter(database),
  }
}

type CallRunner = (call: JobCall<keyof JobWrites>) => Committed['outcomes'][number]

/** Runs a call within a group's transaction, so that a failure undoes this call alone. */
function createCallRunner(
  database: SqliteDatabase,
  writes: SyncCalls<JobWrites>,
  notes: ChangeNotes,
): CallRunner {
  const begin = database.prepare('SAVEPOINT call')
  const undo = database.prepare('ROLLBACK TO call')
  const end = database.prepare('RELEASE call')
  return (call) => {
    begin.run()
    try {
      const value = execute(writes, call)
      end.run()
      notes.endCall()
      return { value }
    } catch (error) {
      // After some errors SQLite itself rolls back all of it
      // (https://sqlite.org/lang_transaction.html): the group has failed.
      if (!database.isTransaction()) throw error
      undo.run()
      end.run()
      notes.dropCall()
      return { failure: failureOf(error) }
    }
  }
}
