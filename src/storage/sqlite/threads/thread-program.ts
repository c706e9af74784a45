import { parentPort } from 'node:worker_threads'
import { SetupError } from '../../../core/setup-error.ts'
import type { ThreadAnswer, ThreadFailure, ThreadRequest } from './thread-calls.ts'

/** Answers this thread's calls one after the other; what a handler throws is answered as a failure. */
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

/** As much of an error as travels to another thread. */
export function failureOf(error: unknown): ThreadFailure {
  return {
    setupCode: error instanceof SetupError ? error.code : undefined,
    message: error instanceof Error ? error.message : String(error),
  }
}
