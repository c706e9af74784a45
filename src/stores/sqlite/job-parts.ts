import type { JobRecord } from '../../core/job.ts'
import type { SqliteDatabase } from './database.ts'
import { createJobOutbox, type JobOutbox } from './job-outbox.ts'
import type { StoredJob } from './job-row.ts'
import { createJobTable, type JobTable } from './job-table.ts'
import type { JobTransition } from './job-transition.ts'
import { createTurnTable, type TurnTable } from './job-turns.ts'

/** What the calls that change jobs share. */
export interface JobParts {
  readonly jobs: JobTable
  readonly turns: TurnTable
  readonly outbox: JobOutbox
  readonly changes: JobChanges
  /** Writes what became of a job that somebody worked on or waited for: its lease is over. One that has ended is told to its webhook. */
  readonly end: (stored: StoredJob, transition: JobTransition, now: number) => void
}

/** What a call changes, for those who watch. */
export interface JobChanges {
  readonly note: (job: JobRecord) => void
  readonly noteReady: () => void
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
    end({ place }, { job, dueAt }, now) {
      jobs.put({ place, job, lease: null, dueAt })
      changes.note(job)
      if (job.finishedAt !== null) outbox.add(place, job, now)
      else if (dueAt === null) {
        turns.noteReady(job.owner, job.model)
        changes.noteReady()
      }
    },
  }
}
