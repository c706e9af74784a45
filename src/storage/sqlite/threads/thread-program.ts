import { parentPort } from 'node:worker_threads'
import { SetupError } from '../../../core/setup-error.ts'
import { isOfDisk } from '../disk/of-disk.ts'

/** The calls that a thread answers, by name: each takes one argument that can be cloned. */
export type CallTable<Calls> = { readonly [Name in keyof Calls]: (argument: never) => unknown } & {
  readonly open: (argument: never) => unknown
  readonly close: (argument: never) => unknown
}

/** A call on its way to a thread. */
export interface ThreadRequest {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

/** And the answer. */
export type ThreadAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: ThreadFailure }

/** An error, as far as it can travel between threads. */
export interface ThreadFailure {
  /** Of a SetupError; undefined for any other. */
  readonly setupCode: string | undefined
  readonly message: string
  /** Whether the disk of the folder is the reason. */
  readonly isOfDisk: boolean
}

/**
 * Answers this thread's calls one after the other; an error of a handler is answered as a failure.
 */
export function serveCalls(
  handlers: Readonly<Record<string, ((argument: never) => unknown) | undefined>>,
): void {
  parentPort?.on('message', ({ id, name, argument }: ThreadRequest) => {
    parentPort?.postMessage(answer(id, () => handlers[name]?.(argument as never)))
  })
}

function answer(id: number, work: () => unknown): ThreadAnswer {
  try {
    return { id, value: work() }
  } catch (error) {
    return { id, failure: failureOf(error) }
  }
}

export function failureOf(error: unknown): ThreadFailure {
  return {
    setupCode: error instanceof SetupError ? error.code : undefined,
    message: error instanceof Error ? error.message : String(error),
    isOfDisk: isOfDisk(error),
  }
}
