import { type JobRecord, withoutResult } from '../../../jobs/job.ts'
import type { JobChange } from '../../../jobs/job-queue.ts'
import type { JobTransition } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import { createJobOutbox, type JobOutbox } from './job-outbox.ts'
import type { StoredJob } from './job-row.ts'
import { createJobTable, type JobTable } from './job-table.ts'
import { createTurnTable, type TurnTable } from './job-turns.ts'

/** What the calls that change jobs share. */
export interface JobParts {
  readonly jobs: JobTable
  readonly turns: TurnTable
  readonly outbox: JobOutbox
  readonly changes: JobChanges
  /** Writes the end of an attempt or of waiting, and its webhook message if the job has ended. */
  readonly end: (stored: StoredJob, transition: JobTransition, now: number) => void
}

export function createJobParts(database: SqliteDatabase, changes: JobChanges): JobParts {
  const jobs = createJobTable(database)
  const turns = createTurnTable(database)
  const outbox = createJobOutbox(database)
  return {
    jobs,
    turns,
    outbox,
    changes,
    end(stored, { job, dueAt }, now) {
      jobs.put({ ...stored, job, lease: null, dueAt })
      changes.note(job)
      if (job.finishedAt !== null) outbox.add(job, now)
      else if (dueAt === null) {
        turns.noteReady(job.owner, job.model)
        changes.noteReady()
      }
    },
  }
}

/** Collects what a call changes, for watchers. */
export interface JobChanges {
  readonly note: (job: JobRecord) => void
  /** A job may be claimed now. */
  readonly noteReady: () => void
}

/** Collects what a group of calls changes, call by call. */
export interface ChangeNotes extends JobChanges {
  /** @param isWatched whether there are watchers */
  readonly begin: (isWatched: boolean) => void
  readonly endCall: () => void
  /** Drops what the failed call noted. */
  readonly dropCall: () => void
  readonly take: () => readonly JobChange[]
}

export function createChangeNotes(): ChangeNotes {
  let isWatched = false
  let changes: JobChange[] = []
  let jobs: JobRecord[] = []
  let isDue = false

  function dropCall(): void {
    jobs = []
    isDue = false
  }

  return {
    note(job) {
      if (isWatched) jobs.push(withoutResult(job))
    },
    noteReady() {
      isDue = true
    },
    begin(watched) {
      isWatched = watched
      changes = []
      dropCall()
    },
    endCall() {
      if (jobs.length > 0) changes.push({ jobs, isDue })
      dropCall()
    },
    dropCall,
    take: () => changes,
  }
}
