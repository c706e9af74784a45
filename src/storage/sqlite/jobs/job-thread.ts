// The program of the jobs' threads: one writes, one reads.
import { workerData } from 'node:worker_threads'
import { serveCalls } from '../threads/thread-program.ts'
import type { JobThreadCalls, JobThreadData } from './job-calls.ts'
import { createJobReader } from './job-reader.ts'
import { createJobWriter } from './job-writer.ts'

serveCalls({ ...createHandlers(workerData as JobThreadData) })

function createHandlers(data: JobThreadData): Partial<JobThreadCalls> {
  return data.role === 'writer' ? createJobWriter(data) : createJobReader(data)
}
