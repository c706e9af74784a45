import { type JobRecord, withoutResult } from '../../../jobs/job.ts'
import type { JobChange } from '../../../jobs/job-queue.ts'

/** What a call changes, for those who watch. */
export interface JobChanges {
  readonly note: (job: JobRecord) => void
  /** A job may be claimed now. */
  readonly noteReady: () => void
}

/** What a group of calls changes, call by call. */
export interface ChangeNotes extends JobChanges {
  /** @param isWatched whether anybody wants to know */
  readonly begin: (isWatched: boolean) => void
  readonly endCall: () => void
  /** Forgets what the call that failed had noted. */
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
