import type { InputError } from '../../core/refusal.ts'
import type { ModelDeclaration } from '../model.ts'
import type { BatchCall, CallAnswer } from './batch-lane.ts'

/** Where a model runs that does not run inline. */
export type HostKind = 'threaded' | 'process'

/**
 * A thread or a process with one model. It lives once: a lane starts another when it has ended. It
 * keeps this process alive only while an answer is awaited and it has not been left.
 */
export interface ModelHost {
  /** Rejects when the host ends before it has answered. */
  readonly ask: (task: ModelTask) => Promise<ModelAnswer>
  /** Tells a running batch, at once and even while it computes, that it has been given up. */
  readonly abort: (batch: number) => void
  /**
   * Ends the host, whatever it does. False where that would end this process too: native code may
   * be running in a thread. Nothing has happened then, and it may be asked again.
   */
  readonly kill: (why: string) => boolean
  /** Lets this process end though an answer is awaited: of a host that cannot be ended now. */
  readonly leave: () => void
  /** Whether the module wanted native code before it had said where its model runs. */
  readonly refusedNativeCode: () => boolean
  /** What ended it. Never rejects. */
  readonly ended: Promise<unknown>
}

/** Why a host ended, in our own words, which the log may have; not what a model threw. */
export class HostEnded extends Error {}

export interface HostOptions {
  /** Most memory of its JavaScript heap in MiB; undefined leaves it to Node. */
  readonly heapMib: number | undefined
  /** Refuses native code until the model has said of itself where it runs. */
  readonly isProbe: boolean
}

/** Get ready, answer a batch, close the model. */
export type ModelTask =
  | {
      readonly ask: 'prepare'
      /** Absolute path of the module that exports the model. */
      readonly file: string
      /** Longest answer to one call, and to all calls of a batch together, in bytes. */
      readonly answerBytesMax: number
    }
  | { readonly ask: 'predict'; readonly calls: readonly BatchCall[]; readonly batch: number }
  | { readonly ask: 'close' }

/**
 * What comes back. Failures travel as data: an error that is cloned loses its class, and one that
 * cannot be cloned ends the thread.
 */
export type ModelAnswer =
  | { readonly outcome: 'ready'; readonly declaration: ModelDeclaration }
  | { readonly outcome: 'answered'; readonly answers: readonly CallAnswer[] }
  | { readonly outcome: 'closed' }
  | {
      readonly outcome: 'refused'
      readonly detail: string
      readonly errors: readonly InputError[] | undefined
    }
  | { readonly outcome: 'unreadable'; readonly message: string }
  | { readonly outcome: 'failed'; readonly message: string; readonly stack: string | undefined }

/** A task on its way, and its answer. */
export interface HostRequest {
  readonly id: number
  readonly task: ModelTask
}

export interface HostReply {
  readonly id: number
  readonly answer: ModelAnswer
}

/**
 * The numbers of batches fit into a byte: 1 to 255, and again. An abort that comes late must not
 * meet the next batch.
 */
export function batchAfter(batch: number): number {
  return (batch % 255) + 1
}
