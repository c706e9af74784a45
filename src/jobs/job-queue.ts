import type { ReservedAnswer } from '../idempotency/idempotency-store.ts'
import type { StoredBytesBounds, StoredBytesFull } from '../idempotency/stored-bytes.ts'
import type { JobAnswers, JobError, JobRecord, JobStatus, NewJob } from './job.ts'

/**
 * Where jobs wait, are worked on and are remembered: the port that every store implements and
 * `test/contract/` checks.
 *
 * A change is durable when its promise resolves, or has not happened. A call that cannot be
 * executed rejects with `Fault('store_unavailable')`. `now` is milliseconds since the epoch, by the
 * caller's clock.
 */
export interface JobQueue {
  /**
   * Accepts jobs, all of them or none, in one commit together with the answer that is stored for
   * retries.
   *
   * `full`: with them more jobs would wait or run than `bounds` allows. `bytes_full`,
   * `owner_bytes_full`: they would take up more bytes, inputs, results, webhooks and stored answers
   * together. `unreserved`: the answer's
   * reservation has run out, so another request may have run in this one's place. Rejects with a
   * Fault where a job of this id is there already.
   */
  readonly submit: (submission: JobSubmission) => Promise<SubmitOutcome>
  /**
   * Leases up to `max` jobs that are due: new ones at once, whatever the clock says; those that are
   * tried again from `retryAt` on; running ones whose lease has ended (`until <= now`), because
   * their worker died. What a claim has seen due may stay so, though the clock is set back. Owners
   * take turns, one job each, whatever the number of their jobs: the owner served longest ago
   * first, so that each owner with a due job is served within as many jobs as there are owners; of
   * an owner's jobs the highest priority, then the oldest. Gives them in this order.
   *
   * Running jobs whose lease has ended with their attempts used up become `dead` instead, with
   * `jobLost` as their error: all of them, whatever their model, not counted in `max`.
   *
   * With a `max` of 0 no job is leased, and `giveWay` says whose running jobs hold places that
   * owners with fewer wait for.
   *
   * A job goes on behind its stored answers; where those are not the ones that were written, it
   * begins anew. One whose input is not has failed, with `inputsDamaged` as its error. One whose
   * own row is not is kept out of the queue for `keepMs`, unavailable to its owner, and then
   * deleted.
   */
  readonly claim: (ask: JobClaim) => Promise<ClaimOutcome>
  /**
   * Makes leases last until `until`, and stores the answers so far. A lease that has run out is
   * lost only once another worker claims the job, or the job is dead.
   */
  readonly extend: (
    leases: readonly JobProgress[],
    until: number,
    bounds: StoredBytesBounds,
  ) => Promise<ExtendOutcome>
  /**
   * Ends attempts, and stores their last answers. One whose lease is lost changes nothing, so that
   * no result is ever overwritten; `settled` are the jobs that did, as they are now, without
   * results. A job that has ended, here or by `cancel` or `claim`, and names a webhook puts its
   * delivery into the outbox within the same commit.
   *
   * Answers may take their owner, and all owners together, a quarter beyond `bounds`; those that
   * would go further are not stored, and their job has failed for that: it would come to them
   * again.
   */
  readonly settle: (
    ends: readonly AttemptEnd[],
    now: number,
    bounds: StoredBytesBounds,
  ) => Promise<{ readonly settled: readonly JobRecord[] }>
  /**
   * Cancels a job that has not ended, waiting or running; it expires after `keepMs`. Gives how it
   * stands afterwards, and whether this call did it. Undefined where the owner has no such job.
   */
  readonly cancel: (
    id: JobAddress,
    now: number,
    keepMs: number,
  ) => Promise<{ readonly job: JobRecord; readonly cancelled: boolean } | undefined>
  /**
   * Puts a dead or failed job back into the queue with all its attempts, whatever the bounds: it
   * goes on behind what is done, or begins anew where that is a problem for each input. Undefined
   * where there is no such job; another status leaves it as it is.
   */
  readonly retry: (
    id: JobAddress,
    now: number,
  ) => Promise<{ readonly job: JobRecord; readonly retried: boolean } | undefined>
  /**
   * A job that has not expired by `now`.
   *
   * @param resultMax characters; in the place of a longer result may stand null. @default any
   */
  readonly findJob: (id: JobAddress, now: number, resultMax?: number) => Promise<JobRecord | undefined>
  /**
   * Those that have not expired by `now`, newest first by `createdAt`, then by id; without results.
   */
  readonly listJobs: (query: JobQuery) => Promise<JobPage>
  /**
   * Jobs of all owners that have ended and are not yet deleted, the newest end first, then by id;
   * without results.
   */
  readonly listEnded: (query: EndedJobQuery) => Promise<readonly JobRecord[]>
  /**
   * Forgets up to `max` jobs and stored answers that have expired (`expiresAt <= now`), and
   * reservations that have ended; gives how many went. Fewer than `max`: there are no more.
   */
  readonly forgetExpired: (now: number, max: number) => Promise<number>
  /** How many jobs wait and run. */
  readonly countJobs: () => Promise<{ readonly queued: number; readonly running: number }>
  /** The same in more detail, with those that an operator may want to retry. */
  readonly countStates: () => Promise<JobStates>
  /**
   * Calls the listener with each change that was made through this queue: once, in order, as soon
   * as it is durable. Changes by other processes come as hints: soon, several as one, without their
   * jobs. A hint may be lost, and the passing of time makes jobs due without any, so watchers also
   * look again by themselves. The listener must not throw. Returns what stops it.
   */
  readonly watch: (listener: (change: JobChange) => void) => () => void
}

/**
 * How many jobs are in each state that an operator looks at; each job is in one. Those that have
 * succeeded or were cancelled are in none. Counting reads no more than 1,000 rows of a state,
 * however many there are.
 */
export interface JobStates {
  /** Waiting for a worker, and those that wait for their next attempt beyond 1,000. */
  readonly queued: number
  /** Waiting for their next attempt; 1,000 stands for more. */
  readonly retrying: number
  readonly running: number
  /** 1,000 stands for more. */
  readonly failed: number
  /** 1,000 stands for more. */
  readonly dead: number
}

/** Most jobs of one state that are counted one by one. */
export const countedStatesMax = 1_000

/** Which job: of one owner, or of any where `owner` is undefined, for administrators alone. */
export interface JobAddress {
  readonly id: string
  readonly owner?: string
}

export interface JobSubmission {
  readonly jobs: readonly NewJob[]
  /** Written in the same commit, under a reservation that `IdempotencyStore.reserve` gave. */
  readonly answer?: ReservedAnswer | undefined
  /** Most jobs that may wait or run, and bytes that may be stored, in all and of one owner. */
  readonly bounds: JobBounds
}

export interface JobBounds extends StoredBytesBounds {
  readonly jobsMax: number
  readonly ownerJobsMax: number
}

export interface SubmitOutcome {
  readonly outcome: 'accepted' | 'full' | 'unreserved' | StoredBytesFull
}

export interface JobClaim {
  readonly max: number
  /**
   * Characters of inputs with which no more jobs are leased; one always is, whatever its own.
   * @default no bound
   */
  readonly inputCharactersMax?: number
  readonly now: number
  /** When the leases end unless they are extended. */
  readonly until: number
  /** Only jobs of these models: those that this worker has. */
  readonly models: readonly string[]
  /** After how long a job that this claim ends expires. */
  readonly keepMs: number
}

export interface ClaimOutcome {
  readonly claimed: readonly ClaimedJob[]
  /** Jobs that became dead, or failed, with this claim, as they are now. */
  readonly ended: readonly JobRecord[]
  /** Ids of jobs that were found damaged. */
  readonly damaged: readonly string[]
  /** Empty unless `max` is 0. */
  readonly giveWay: readonly GiveWay[]
}

/** So many running jobs of an owner hold places in a model that other owners wait for. */
export interface GiveWay {
  readonly owner: string
  readonly model: string
  readonly jobs: number
}

/** A leased job. */
export interface ClaimedJob extends JobRecord {
  /** The inputs as JSON. */
  readonly inputs: string
  /** Names this attempt: only its holder may end it. */
  readonly lease: string
  /** Bytes of the answers that are stored. */
  readonly answerBytes: number
}

export interface JobProgress {
  readonly id: string
  readonly lease: string
  /** What may not be stored yet, in its order. @default nothing */
  readonly answers?: readonly JobAnswers[]
}

export interface ExtendOutcome {
  /** Ids of jobs whose lease is lost: they have ended, were cancelled, or are another's. */
  readonly lost: readonly string[]
  /** Those whose answers found no room and are not stored. */
  readonly unstored: readonly { readonly id: string; readonly full: StoredBytesFull }[]
}

/**
 * How an attempt ended, with what may not be stored yet. Where that ends the job, it expires at
 * `expiresAt`: it may have found no room, whatever else was to become of it.
 */
export type AttemptEnd = JobProgress &
  /**
   * Where a batch has not as many stored answers as inputs, they are dropped, and the job is tried
   * again from its first input, or is dead with `answersMiscounted`.
   */
  (
    | { readonly end: 'succeeded'; readonly expiresAt: number }
    /** For good, without another attempt. */
    | { readonly end: 'failed'; readonly error: JobError; readonly expiresAt: number }
    /** Tried again at `retryAt`, or dead with this error where attempts are used up. */
    | {
        readonly end: 'retry'
        readonly error: JobError
        readonly retryAt: number
        readonly expiresAt: number
      }
    /** Handed back unharmed, on a shutdown or to give way: the attempt does not count. */
    | { readonly end: 'released'; readonly expiresAt: number }
  )

export interface JobQuery {
  readonly owner?: string | undefined
  readonly status?: JobStatus | undefined
  /** 1 to 1,000. */
  readonly limit: number
  /** `createdAt` and id of the last job of the page before. */
  readonly after?: { readonly createdAt: number; readonly id: string } | undefined
  readonly now: number
}

export interface EndedJobQuery {
  /** 1 to 1,000. */
  readonly limit: number
  /** `finishedAt` and id of the last job of the page before. */
  readonly after?: { readonly finishedAt: number; readonly id: string } | undefined
}

export interface JobPage {
  readonly jobs: readonly JobRecord[]
  readonly hasMore: boolean
  /** Ids of jobs that belong here and are damaged: they are left out. */
  readonly damaged?: readonly string[]
}

export interface JobChange {
  /**
   * Jobs whose record has changed, as it is now; without results. Empty in a hint: any job may
   * have, or those of `others`.
   */
  readonly jobs: readonly JobRecord[]
  /** Whether jobs may have become due: they were accepted, retried or handed back. */
  readonly isDue: boolean
  /** Of a hint that says which: ids of jobs that another process has changed. */
  readonly others?: readonly string[]
}
