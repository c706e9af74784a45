import type { JobChange } from '../../../jobs/job-queue.ts'
import type { JobStore } from '../../job-store.ts'
import type { ThreadFailure } from '../threads/thread-program.ts'

/** What a thread of the jobs is started with. */
export interface JobThreadData {
  readonly role: 'writer' | 'reader'
  readonly file: string
  /** Whether opening looks whether each row can be found. */
  readonly isChecked: boolean
}

type CallName = Exclude<keyof JobStore, 'watch' | 'close'>

type ReadName =
  | 'findJob'
  | 'listJobs'
  | 'listEnded'
  | 'countJobs'
  | 'countStates'
  | 'listDeliveries'
  | 'findDelivery'
  | 'findWebhookSecrets'

export type JobReads = Pick<JobStore, ReadName>
export type JobWrites = Pick<JobStore, Exclude<CallName, ReadName>>

/** All calls. Writes that arrive at once share a commit; reads wait for no commit. */
const sides: { readonly [Name in CallName]: Name extends ReadName ? 'read' : 'write' } = {
  submit: 'write',
  claim: 'write',
  extend: 'write',
  settle: 'write',
  cancel: 'write',
  retry: 'write',
  forgetExpired: 'write',
  reserve: 'write',
  storeAnswer: 'write',
  release: 'write',
  releaseLeft: 'write',
  claimDeliveries: 'write',
  settleDelivery: 'write',
  retryDelivery: 'write',
  addWebhookSecret: 'write',
  findJob: 'read',
  listJobs: 'read',
  listEnded: 'read',
  countJobs: 'read',
  countStates: 'read',
  listDeliveries: 'read',
  findDelivery: 'read',
  findWebhookSecrets: 'read',
}

/** The calls as they run on a database: one after the other, each with its value at once. */
export type SyncCalls<Calls extends { readonly [Name in keyof Calls]: (...values: never[]) => unknown }> = {
  readonly [Name in keyof Calls]: (...values: Parameters<Calls[Name]>) => Awaited<ReturnType<Calls[Name]>>
}

/** One call on its way to a database. */
export interface JobCall<Name extends CallName = CallName> {
  readonly name: Name
  readonly values: readonly unknown[]
}

/** A store's calls, each handed to the side it belongs to. */
export function forwardCalls(to: {
  readonly write: (call: JobCall<keyof JobWrites>) => Promise<unknown>
  readonly read: (call: JobCall<keyof JobReads>) => Promise<unknown>
}): JobWrites & JobReads {
  const calls = Object.entries(sides).map(([name, side]) => [
    name,
    (...values: readonly unknown[]) => to[side]({ name, values } as never),
  ])
  return Object.fromEntries(calls) as JobWrites & JobReads
}

/** Runs a call. */
export function execute<Name extends CallName>(
  calls: Readonly<Record<Name, (...values: never[]) => unknown>>,
  { name, values }: JobCall<Name>,
): unknown {
  return calls[name](...(values as never[]))
}

export interface CommitCall {
  readonly calls: readonly JobCall<keyof JobWrites>[]
  readonly isWatched: boolean
}

/** What a group came to, once it is durable. */
export interface Committed {
  readonly outcomes: readonly ({ readonly value: unknown } | { readonly failure: ThreadFailure })[]
  /** In order; jobs as they were then, without results. Empty unless the group was watched. */
  readonly changes: readonly JobChange[]
}

/** The calls of both threads. */
export interface JobThreadCalls {
  readonly open: (call: undefined) => void
  readonly commit: (call: CommitCall) => Committed
  readonly read: (call: JobCall<keyof JobReads>) => unknown
  /** The writer's: differs after another connection has committed, and never by its own commits. */
  readonly readDataVersion: (call: undefined) => number
  /** The writer's: gives space that is no longer used back to the disk, for a tenth of a second. */
  readonly giveBack: (call: undefined) => void
  readonly close: (call: undefined) => void
}
