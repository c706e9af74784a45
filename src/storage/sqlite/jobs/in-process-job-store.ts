import { Fault } from '../../../core/fault.ts'
import { createJobWatch } from '../../../jobs/job-watch.ts'
import type { JobStore } from '../../job-store.ts'
import { openInProcess } from '../driver.ts'
import { takeStep } from '../prepare-database.ts'
import { faultOf } from '../sqlite-error.ts'
import { inTransaction } from '../transaction.ts'
import { execute, forwardCalls, type JobCall, type JobWrites } from './job-calls.ts'
import { createChangeNotes } from './job-parts.ts'
import { createJobReads } from './job-reader.ts'
import { jobSteps } from './job-schema.ts'
import { createJobWrites } from './job-writer.ts'

/**
 * Jobs in this process's memory and on the calling thread, for tests. They end with the process.
 */
export function createInProcessJobStore(): JobStore {
  const database = openInProcess()
  for (const step of jobSteps) takeStep(database, step)
  const notes = createChangeNotes()
  const writes = createJobWrites(database, notes)
  const reads = createJobReads(database)
  const { watch, isWatched, notify } = createJobWatch()
  let isOpen = true

  async function run(work: () => unknown): Promise<unknown> {
    if (!isOpen) throw new Fault('store_unavailable', 'the job store is closed')
    try {
      return work()
    } catch (error) {
      throw faultOf(error)
    }
  }

  function write(call: JobCall<keyof JobWrites>): unknown {
    notes.begin(isWatched())
    const value = inTransaction(database, () => execute(writes, call))
    notes.endCall()
    for (const change of notes.take()) notify(change)
    return value
  }

  return {
    ...forwardCalls({
      write: (call) => run(() => write(call)),
      read: (call) => run(() => execute(reads, call)),
    }),
    watch,
    async close() {
      if (isOpen) database.close()
      isOpen = false
    },
  }
}
