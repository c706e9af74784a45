import { type JobRecord, withoutResult } from '../../jobs/job.ts'
import { createJobWatch as createWatch, type JobWatch as Watch } from '../../jobs/job-watch.ts'

/** Whoever wants to hear of changed jobs. */
export interface JobWatch extends Pick<Watch, 'watch'> {
  /** Tells of a change that has been made. */
  readonly tell: (jobs: readonly JobRecord[], isDue: boolean) => void
}

export function createJobWatch(): JobWatch {
  const { watch, isWatched, tell } = createWatch()
  return {
    watch,
    tell(jobs, isDue) {
      if (!isWatched() || jobs.length === 0) return
      tell(Object.freeze({ jobs: Object.freeze(jobs.map(withoutResult)), isDue }))
    },
  }
}
