import type { JobTransition } from '../../../jobs/transitions.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobChanges } from './job-change-notes.ts'
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
  /** Writes what became of a job that somebody worked on or waited for: its lease is over. One that has ended is told to its webhook. */
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
    end({ place }, { job, dueAt }, now) {
      jobs.put({ place, job, lease: null, dueAt })
      changes.note(job)
      if (job.finishedAt !== null) outbox.add(job, now)
      else if (dueAt === null) {
        turns.noteReady(job.owner, job.model)
        changes.noteReady()
      }
    },
  }
}
