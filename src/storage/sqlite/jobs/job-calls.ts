import type { JobChange } from '../../../jobs/job-queue.ts'
import type { JobStore } from '../../job-store.ts'
import type { ThreadFailure } from '../threads/thread-calls.ts'

/** What a thread of the jobs is started with. */
export interface JobThreadData {
  readonly role: 'writer' | 'reader'
  readonly file: string
}

/** Calls that change something: what comes at once shares a commit. */
export type JobWrites = Pick<
  JobStore,
  | 'submit'
  | 'claim'
  | 'extend'
  | 'settle'
  | 'cancel'
  | 'retry'
  | 'forgetExpired'
  | 'reserve'
  | 'keep'
  | 'release'
  | 'claimDeliveries'
  | 'settleDelivery'
  | 'addWebhookSecret'
>

/** Calls that only read: they have a thread of their own, and wait for no commit. */
export type JobReads = Pick<
  JobStore,
  'findJob' | 'listJobs' | 'listEnded' | 'countJobs' | 'listDeliveries' | 'findWebhookSecrets'
>

/** The same calls as a thread carries them out, one after the other. */
export type Carried<Calls extends { readonly [Name in keyof Calls]: (...values: never[]) => unknown }> = {
  readonly [Name in keyof Calls]: (...values: Parameters<Calls[Name]>) => Awaited<ReturnType<Calls[Name]>>
}

/** One call of a group. */
export interface JobCall {
  readonly name: keyof JobWrites
  readonly values: readonly unknown[]
}

export interface CommitCall {
  readonly calls: readonly JobCall[]
  /** Whether anybody wants to know what has changed. */
  readonly isWatched: boolean
}

/** What a group came to, once it is durable. */
export interface Committed {
  readonly outcomes: readonly ({ readonly value: unknown } | { readonly failure: ThreadFailure })[]
  /** In their order, jobs as they were then, without results; none unless the group was watched. */
  readonly changes: readonly JobChange[]
}

/** The calls of both threads. */
export interface JobThreadCalls {
  readonly open: (call: undefined) => void
  readonly commit: (call: CommitCall) => Committed
  readonly read: (call: { readonly name: keyof JobReads; readonly values: readonly unknown[] }) => unknown
  readonly close: (call: undefined) => void
}
