import type { JobRecord } from '../../core/job.ts'
import type { SqliteDatabase } from './database.ts'
import { createJobAnswers } from './job-answers.ts'
import type {
  Carried,
  Committed,
  JobCall,
  JobThreadCalls,
  JobThreadData,
  JobWrites,
} from './job-calls.ts'
import { createAttemptChanges, createJobSubmit, createOwnerChanges } from './job-changes.ts'
import { createJobClaims } from './job-claims.ts'
import { openJobDatabase } from './job-database.ts'
import { createJobExpiry } from './job-expiry.ts'
import { createJobParts, type JobChanges } from './job-parts.ts'
import { createSecretWriter } from './job-secrets.ts'
import { failureOf } from './thread-program.ts'
import { inTransaction } from './transaction.ts'
import { type WatchedFiles, watchFiles } from './watched-files.ts'

interface OpenJobs {
  readonly database: SqliteDatabase
  readonly files: WatchedFiles
  readonly carryOut: (call: JobCall) => Committed['outcomes'][number]
  readonly changes: ChangeNotes
  readonly nextDue: () => number | null
}

/**
 * The writing side of the jobs, as a thread runs it: a group of calls is one transaction that is on the disk when it returns, and has not
 * happened when it throws. A call that fails undoes itself alone. A file that could not be opened is tried again.
 */
export function createJobWriter({
  file,
}: JobThreadData): Pick<JobThreadCalls, 'open' | 'commit' | 'close'> {
  let open: OpenJobs | undefined

  function use(): OpenJobs {
    open ??= openJobs(file)
    return open
  }

  return {
    open: () => ({ dueAt: use().nextDue() }),
    commit({ calls, isWatched }) {
      const { database, files, carryOut, changes, nextDue } = use()
      // The open file goes on when its name is gone: what is written to it would be lost.
      files.check()
      changes.begin()
      return inTransaction(database, () => {
        const outcomes = calls.map(carryOut)
        const { changed, isReady } = changes.take()
        return { outcomes, changed: isWatched ? changed : [], isReady, dueAt: nextDue() }
      })
    },
    close() {
      open?.database.close()
      open = undefined
    },
  }
}

function openJobs(file: string): OpenJobs {
  const database = openJobDatabase(file)
  try {
    const changes = createChangeNotes()
    const writes = createJobWrites(database, changes)
    const selectDue = database.prepare<{ due_at: number | null }>(
      'SELECT min(due_at) AS due_at FROM jobs WHERE due_at IS NOT NULL',
    )
    return {
      database,
      files: watchFiles(file),
      carryOut: createCallRunner(database, writes, changes),
      changes,
      nextDue: () => selectDue.get()?.due_at ?? null,
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** All calls that change something, on an open database; each within a transaction of the caller's. */
export function createJobWrites(database: SqliteDatabase, changes: JobChanges): Carried<JobWrites> {
  const parts = createJobParts(database, changes)
  const answers = createJobAnswers(database)
  const { claimDeliveries, settleDelivery } = parts.outbox
  return {
    ...createAttemptChanges(parts),
    ...createOwnerChanges(parts),
    ...answers,
    submit: createJobSubmit(database, parts, answers.keep),
    claim: createJobClaims(database, parts),
    forgetExpired: createJobExpiry(database, parts.outbox),
    claimDeliveries,
    settleDelivery,
    addWebhookSecret: createSecretWriter(database),
  }
}

/** Carries out a call within a group's transaction, so that it undoes itself alone where it fails. */
function createCallRunner(
  database: SqliteDatabase,
  writes: Carried<JobWrites>,
  changes: ChangeNotes,
): OpenJobs['carryOut'] {
  const begin = database.prepare('SAVEPOINT call')
  const undo = database.prepare('ROLLBACK TO call')
  const end = database.prepare('RELEASE call')
  return ({ name, values }) => {
    const before = changes.mark()
    begin.run()
    try {
      const value = (writes[name] as (...values: readonly unknown[]) => unknown)(...values)
      end.run()
      return { value }
    } catch (error) {
      // After some errors SQLite has undone all of it (https://sqlite.org/lang_transaction.html): the group has failed.
      if (!database.isTransaction()) throw error
      undo.run()
      end.run()
      before.restore()
      return { failure: failureOf(error) }
    }
  }
}

/** What a group has changed until now. */
interface ChangeNotes extends JobChanges {
  readonly begin: () => void
  /** A moment to go back to. */
  readonly mark: () => { readonly restore: () => void }
  readonly take: () => { readonly changed: readonly JobRecord[]; readonly isReady: boolean }
}

function createChangeNotes(): ChangeNotes {
  let changed: JobRecord[] = []
  let isReady = false
  return {
    note: (job) => changed.push(job.result === null ? job : { ...job, result: null }),
    noteReady: () => {
      isReady = true
    },
    begin() {
      changed = []
      isReady = false
    },
    mark() {
      const before = { length: changed.length, isReady }
      return {
        restore() {
          changed.length = before.length
          isReady = before.isReady
        },
      }
    },
    take: () => ({ changed, isReady }),
  }
}
