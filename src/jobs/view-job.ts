import { isoTime } from '../keys/record/views.ts'
import type { JobError, JobRecord, JobStatus } from './job.ts'
import { modelOf } from './job-origin.ts'

/** A job as the API and the command line show it. Times are ISO 8601, UTC. */
export interface JobView {
  readonly id: string
  /** Whose it is, and by which key: shown to administrators alone, who see those of all owners. */
  readonly owner?: string
  readonly key_id?: string
  readonly status: JobStatus
  readonly model: string
  readonly kind: 'single' | 'batch'
  /** How many inputs have been answered, and how many there are. */
  readonly progress: { readonly done: number; readonly total: number }
  /** How many inputs have a problem in the place of their answer. */
  readonly errors: number
  /**
   * What is done, once it has ended: of a batch a list, in the order of the inputs, of which the
   * last are missing where it was cancelled or is dead. Null before, and in lists.
   */
  readonly result: unknown
  readonly error: JobError | null
  /** How often it was begun. */
  readonly attempts: number
  /** Grows with every change. */
  readonly version: number
  readonly created_at: string
  readonly started_at: string | null
  readonly finished_at: string | null
  /** When it is forgotten, with its result; null until it has ended. */
  readonly expires_at: string | null
}

/** Results as they were written. */
const resultTexts = new WeakMap<JobView, string>()

/** Shows a job. Its result is parsed when it is read. */
export function viewJob(record: JobRecord): JobView {
  return view(record)
}

/** Shows a job to an administrator. */
export function viewOwnedJob(record: JobRecord): JobView {
  return view(record, { owner: record.owner, key_id: record.keyId })
}

/** A job as JSON. Its result is not parsed: 16 MiB would become twenty times as much. */
export function writeJob(job: JobView): string {
  const text = resultTexts.get(job)
  if (text === undefined) return JSON.stringify(job)
  const members = Object.keys(job).map((name) => {
    const value = name === 'result' ? text : JSON.stringify(job[name as keyof JobView])
    return `"${name}":${value}`
  })
  return `{${members.join()}}`
}

function view(record: JobRecord, whose: Pick<JobView, 'owner' | 'key_id'> = {}): JobView {
  const { result: text } = record
  const job: JobView = {
    id: record.id,
    ...whose,
    status: record.status,
    model: modelOf(record),
    kind: record.kind,
    progress: { done: record.done, total: record.total },
    errors: record.errors,
    get result() {
      return text === null ? null : JSON.parse(text)
    },
    error: record.error,
    attempts: record.attempts,
    version: record.version,
    created_at: isoTime(record.createdAt),
    started_at: isoTimeOrNull(record.startedAt),
    finished_at: isoTimeOrNull(record.finishedAt),
    expires_at: isoTimeOrNull(record.expiresAt),
  }
  if (text !== null) resultTexts.set(job, text)
  return job
}

function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms)
}
