import type { InputError } from '../../core/refusal.ts'
import type { ModelDeclaration } from '../model.ts'
import type { BatchCall, CallAnswer } from './batch-lane.ts'

/** What a model's thread is started with. */
export interface ThreadData {
  /** Absolute path of the module that exports the model. */
  readonly file: string
  /** Longest answer to one call, and to all calls of a batch together, in bytes. */
  readonly answerBytesMax: number
}

/** A task of a thread: get ready, answer a batch, close the model. */
export type ThreadTask =
  | { readonly ask: 'prepare' }
  | { readonly ask: 'predict'; readonly calls: readonly BatchCall[]; readonly flag: Int32Array }
  | { readonly ask: 'close' }

/**
 * What it answers. Failures travel as data: an error that is cloned loses its class, and one that
 * cannot be cloned ends the thread.
 */
export type ThreadAnswer =
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

/** The word that a running batch shares with its thread. */
export const batchFlag = { running: 0, aborted: 1, ended: 2 } as const
