import { z } from 'zod'
import { Refusal } from '../../../core/refusal.ts'
import { type JobErrorCode, type JobStatus, jobStatuses } from '../../../jobs/job.ts'
import { formatJobCursor, parseJobCursor } from '../../../jobs/job-cursor.ts'
import type { JobList, JobListQuery } from '../../../jobs/job-service.ts'
import type { JobView } from '../../../jobs/view-job.ts'

/** What `GET /jobs` takes. */
export interface JobListRequest {
  readonly limit: number
  readonly cursor?: string
  readonly status?: JobStatus
  /** For administrators alone. */
  readonly owner?: string
}

/** Longest that a request waits for a job, in seconds: proxies give up at 60 (nginx, AWS ALB). */
export const waitSecondsMax = 55

export const jobParams: z.ZodType<{ readonly id: string }> = z.object({ id: z.string() })

const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().exactOptional(),
  status: z.enum(jobStatuses).exactOptional(),
})

export const jobListQuery: z.ZodType<JobListRequest> = listQuery

export const adminJobListQuery: z.ZodType<JobListRequest> = listQuery.extend({
  owner: z.string().exactOptional(),
})

export const waitQuery: z.ZodType<{ readonly wait: number }> = z.strictObject({
  wait: z.coerce
    .number()
    .int()
    .min(0)
    .max(waitSecondsMax)
    .default(0)
    .describe('Seconds to wait for the end of the job, before it is answered as it stands.'),
})

const time = z.iso.datetime()

/** Any text, because a later version may add codes. */
const jobErrorCode = z.string() as z.ZodType<string> as z.ZodType<JobErrorCode>

const shownJob = z.object({
  id: z.string(),
  status: z
    .enum(jobStatuses)
    .describe(
      '`succeeded`: every input has its answer, or a problem in its place (`errors`). `failed`: trying again cannot help, for no input has an answer, or the result is too large or finds no room. `dead`: every attempt failed; an administrator may have it tried again.',
    ),
  model: z.string(),
  kind: z.enum(['single', 'batch']),
  progress: z.object({ done: z.int(), total: z.int() }).describe('In inputs.'),
  errors: z.int().describe('How many inputs of a batch have a problem in the place of their answer.'),
  result: z
    .unknown()
    .describe(
      'What the request would have been answered at once. Of a batch, a list in the order of its inputs: of each its answer, or a problem with `code` and `detail`; of one that was cancelled or is dead, of the first `progress.done`. Null until it has ended, and in lists.',
    ),
  error: z
    .object({ code: jobErrorCode, detail: z.string() })
    .nullable()
    .describe('Why it has failed or is dead; a code of a problem.'),
  attempts: z.int(),
  version: z.int().describe('Grows with every change; the id of an event.'),
  created_at: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  expires_at: time.nullable().describe('When it is forgotten, with its result; null until it has ended.'),
})

/** A job as it is shown, for OpenAPI. */
export const jobView: z.ZodType<JobView> = shownJob

/** The same to administrators. */
export const ownedJobView: z.ZodType<JobView> = shownJob.extend({ owner: z.string(), key_id: z.string() })

export interface JobPageView {
  readonly jobs: readonly JobView[]
  readonly next_cursor: string | null
  readonly damaged?: readonly string[]
}

export const jobPageView: z.ZodType<JobPageView> = pageOf(jobView)
export const ownedJobPageView: z.ZodType<JobPageView> = pageOf(ownedJobView)

function pageOf(job: z.ZodType<JobView>): z.ZodType<JobPageView> {
  return z.object({
    jobs: z.array(job),
    next_cursor: z.string().nullable(),
    damaged: z
      .array(z.string())
      .exactOptional()
      .describe('Ids of jobs that are stored and no longer as they were written: they are left out.'),
  })
}

export const jobExample: JobView = {
  id: 'job_0V9aT4mQk2bZx71LwPcD3e',
  status: 'queued',
  model: 'sentiment',
  kind: 'batch',
  progress: { done: 0, total: 500 },
  errors: 0,
  result: null,
  error: null,
  attempts: 0,
  version: 1,
  created_at: '2027-01-31T12:00:00.000Z',
  started_at: null,
  finished_at: null,
  expires_at: null,
}

/** A page as it is answered. */
export function viewJobPage({ jobs, next, damaged }: JobList): JobPageView {
  const cursor = next === undefined ? null : formatJobCursor(next)
  return { jobs, next_cursor: cursor, ...(damaged && { damaged }) }
}

/** The query of a list. @throws Refusal `input_invalid` for an invalid cursor */
export function readJobQuery({ limit, cursor, status, owner }: JobListRequest): JobListQuery {
  if (cursor === undefined) return { limit, status, owner }
  const after = parseJobCursor(cursor)
  if (after !== undefined) return { limit, status, owner, after }
  throw new Refusal('input_invalid', undefined, {
    errors: [{ loc: ['query', 'cursor'], msg: 'Expected the next_cursor of a page', type: 'cursor' }],
  })
}
