import type { Idempotency } from '../idempotency/answer-seal.ts'
import type { ReservedAnswer } from '../idempotency/idempotency-store.ts'
import type { RunOnce } from '../idempotency/run-once.ts'
import type { RequestUsage } from '../limits/usage/usage.ts'
import type { TraceContext } from '../telemetry/trace-context.ts'
import type { JobStatus } from './job.ts'
import type { JobCall } from './job-origin.ts'
import type { JobStates } from './job-queue.ts'
import type { JobView } from './view-job.ts'

/**
 * In place of an owner: jobs of all owners, for administrators alone. A symbol, so that no text
 * from outside and no forgotten argument means it.
 */
export const anyOwner: unique symbol = Symbol('any owner')

/** Whose jobs are meant. To every other owner a job does not exist. */
export type JobOwner = string | typeof anyOwner

/**
 * The owner as stores take it. A missing owner, or one that is no text, must not mean all owners.
 * @throws TypeError
 */
export function ownerOf(owner: JobOwner): { readonly owner?: string } {
  if (owner === anyOwner) return {}
  if (typeof owner !== 'string') throw new TypeError('jobs: `owner`: expected text')
  return { owner }
}

/** A call that is to be answered later. */
export interface JobRequest {
  /** Of the key that asks, as the caller's own. */
  readonly owner: string
  readonly keyId: string
  /** @default null: an application made it by itself */
  readonly requestId?: string | null
  /**
   * Where its spans and its webhook belong. @default what is active in the app, where it is traced
   */
  readonly trace?: TraceContext | undefined
  /** Name of the model. */
  readonly model: string
  /** At least one; what the model takes, and JSON can write. `single` has exactly one. */
  readonly inputs: readonly unknown[]
  /**
   * `single`: the result is one answer. `batch`: the result is a list of them, in the order of the
   * inputs.
   */
  readonly kind: 'single' | 'batch'
  /** 0 to 9; of one owner's jobs the higher comes first. @default 0 */
  readonly priority?: number
  /** Where to send a webhook when the job has ended; checked by the caller. @default nowhere */
  readonly webhook?: string | null
  /**
   * What the request has taken of its limits. The job has it, a slot of those at once among it, and
   * the end of the request leaves it alone: it ends with the job, as aborted where the job did not
   * succeed. Where no job is accepted it is the request's again.
   * In memory: after a restart a job counts towards no limit.
   * @default no limits
   */
  readonly usage?: RequestUsage
  /**
   * Runs once, before the job is accepted, and not for a repeated request: takes what is known only
   * now of the limits. Throws to refuse.
   * @default nothing
   */
  readonly prepare?: () => Promise<void>
  /**
   * Of a call of a model server, asked once `prepare` has resolved.
   * @default the job is no such call
   */
  readonly call?: () => JobCall
  /**
   * Gives back what `prepare` reserved: no job came of it. Not called where one may have, for
   * whichever process ends that settles it. Never rejects.
   * @default nothing
   */
  readonly giveBack?: () => Promise<void>
  /**
   * A repeated request gets the job that the first one made. Not with `sealAnswer`.
   * @default every request makes a job
   */
  readonly idempotency?: Idempotency | undefined
  /**
   * The answer to store in the job's own commit, for a server that answers repeated requests
   * itself: `reservation.seal` of `runOnce`.
   */
  readonly sealAnswer?: (job: JobView) => ReservedAnswer | undefined
}

/** What came of submitting a job. */
export interface SubmittedJob {
  /** As it was accepted. */
  readonly job: JobView
  /** Whether an earlier request made it. */
  readonly isReplayed: boolean
}

/** How a job stands, at one of its versions. */
export interface JobSnapshot {
  /** Grows with every change: the id of an event. */
  readonly version: number
  /** Its result is null where it is larger than 64 KiB: `get` gives it. */
  readonly job: JobView
}

/** Which jobs to list, and where to go on. */
export interface JobListQuery {
  /**
   * Of all owners' jobs only this one's; it never widens what may be seen.
   * @default as the first argument says
   */
  readonly owner?: string | undefined
  readonly status?: JobStatus | undefined
  /** 1 to 1,000. @default 100 */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: JobListCursor | undefined
}

/** The last job of a page: where the next one begins. */
export interface JobListCursor {
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly id: string
}

/** The newest first, each without its result. */
export interface JobList {
  readonly jobs: readonly JobView[]
  /** Where the next page begins; undefined on the last. */
  readonly next: JobListCursor | undefined
  /** Ids of jobs that are stored and damaged: they are left out. Absent without any. */
  readonly damaged?: readonly string[]
}

/** Who changes a job, for the record. */
export interface JobChanger {
  /** A key's id, or a name such as `cli`. @default no name */
  readonly by?: string
  readonly requestId?: string
}

/**
 * Jobs: calls that are accepted now and answered later. What has resolved is durable, and recorded
 * where there is a ledger.
 *
 * Every method that names a job refuses with `job_not_found`, always the same, where the owner has
 * no such job: it never was, it has expired, or it is another owner's. All of them fault with
 * `store_unavailable`, and those that change something with `ledger_unavailable`.
 */
export interface JobService {
  /**
   * Accepts a job.
   *
   * @throws Refusal `not_found` for a model that is not there; `idempotency_mismatch`,
   *   `idempotency_in_flight`; `storage_exhausted` where this owner stores as many bytes as they
   *   may
   * @throws Fault `overloaded` where as many jobs wait as may, in all or of this owner, or all
   *   owners together store as many bytes as they may
   * @throws Fault `ledger_unavailable` where it could not be recorded: the job is cancelled, or,
   *   under an `Idempotency-Key`, given to a repeated request
   */
  readonly submit: (request: JobRequest) => Promise<SubmittedJob>
  /**
   * How a job stands: at once, or when it has ended, `waitMs` are over or the signal aborts,
   * whichever is first.
   */
  readonly get: (
    owner: JobOwner,
    id: string,
    options?: { readonly waitMs?: number; readonly signal?: AbortSignal },
  ) => Promise<JobView>
  readonly list: (owner: JobOwner, query?: JobListQuery) => Promise<JobList>
  /**
   * Cancels a job that has not ended, and gives how it stands; one that has ended is given as it
   * is.
   */
  readonly cancel: (owner: JobOwner, id: string, changer?: JobChanger) => Promise<JobView>
  /**
   * Puts a dead or failed job back into the queue with all its attempts; any other is given as it
   * is. For administrators.
   */
  readonly retry: (owner: JobOwner, id: string, changer?: JobChanger) => Promise<JobView>
  /**
   * Follows a job until it has ended: how it stands where that is newer than `afterVersion`, then
   * each change. A slow reader misses changes in between, and never the last: at most one snapshot
   * waits. Resolves once it is known that the job is there; ends when the signal aborts.
   */
  readonly events: (
    owner: JobOwner,
    id: string,
    options?: { readonly afterVersion?: number; readonly signal?: AbortSignal },
  ) => Promise<AsyncIterable<JobSnapshot>>
  /** Runs a prediction or another request once, and gives its answer to every retry. */
  readonly runOnce: RunOnce
  /** How many jobs wait and run. */
  readonly counts: () => Promise<{ readonly queued: number; readonly running: number }>
  /** The same in more detail: what metrics tell. */
  readonly countStates: () => Promise<JobStates>
  /**
   * Begins no more jobs, gives those that run `graceMs` to end, and hands the rest back, uncounted:
   * another process, or the next start, takes them up. Ends every wait and every stream. Does not
   * close the store. Safe to call twice.
   */
  readonly close: (options?: { readonly graceMs?: number }) => Promise<void>
}
