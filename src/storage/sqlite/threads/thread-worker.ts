import { Worker } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../../core/fault.ts'
import { SetupError, type SetupErrorCode } from '../../../core/setup-error.ts'
import type { CallTable, ThreadAnswer, ThreadFailure, ThreadRequest } from './thread-calls.ts'

/** A thread of a store, from outside. It keeps the process alive while an answer is awaited, and no longer. */
export interface ThreadWorker<Calls extends CallTable<Calls>> {
  /**
   * Calls are answered in their order.
   *
   * @throws SetupError, Fault with the thread's code; both by rejecting
   */
  readonly ask: <Name extends keyof Calls & string>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
    transfer?: readonly ArrayBuffer[],
  ) => Promise<ReturnType<Calls[Name]>>
  /** Whether the thread has ended: it answers nothing any more. */
  readonly isGone: () => boolean
  readonly end: () => Promise<void>
}

export interface ThreadOptions {
  /** Path of the thread's program from this file, without its ending. */
  readonly program: string
  /** What it is started with. */
  readonly data: object
  /** What it is called by messages: `ledger`. */
  readonly store: string
  readonly role: string
  /** Of every fault. */
  readonly faultCode: FaultCode
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
}

// Sources run as they are and as they are built: a thread's program is of the same kind as this file.
const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** Starts a thread. */
export function startThread<Calls extends CallTable<Calls>>({
  program,
  data,
  store,
  role,
  faultCode,
}: ThreadOptions): ThreadWorker<Calls> {
  const url = new URL(`./${program}.${ending}`, import.meta.url)
  // Not the flags of this process: with `--input-type`, for one, no program of a thread can be a file.
  const worker = new Worker(url, { workerData: data, name: `${store}-${role}`, execArgv: [] })
  const waiting = new Map<number, Waiting>()
  let isGone = false
  let calls = 0

  function goneFault(cause: unknown): Fault {
    return new Fault(faultCode, `${store}: the ${role} thread has ended`, { cause })
  }

  function leave(reason: unknown): void {
    isGone = true
    for (const { reject } of waiting.values()) reject(goneFault(reason))
    waiting.clear()
  }

  worker.unref()
  worker.on('error', leave)
  worker.on('exit', (code) => leave(new Error(`exit code ${code}`)))
  worker.on('message', (answer: ThreadAnswer) => {
    const asked = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (waiting.size === 0) worker.unref()
    if ('failure' in answer) asked?.reject(errorOf(answer.failure, store, faultCode))
    else asked?.resolve(answer.value as never)
  })

  return {
    ask(name, argument, transfer = []) {
      return new Promise((resolve, reject) => {
        if (isGone) {
          reject(goneFault(undefined))
          return
        }
        calls += 1
        // First: what cannot be cloned throws here, and must not be waited for.
        worker.postMessage({ id: calls, name, argument } satisfies ThreadRequest, [...transfer])
        if (waiting.size === 0) worker.ref()
        waiting.set(calls, { resolve, reject })
      })
    },
    isGone: () => isGone,
    async end() {
      await worker.terminate()
    },
  }
}

/** What came from a thread, as the error that it was there; any that is no SetupError is a fault. */
export function errorOf({ setupCode, message }: ThreadFailure, store: string, faultCode: FaultCode): Error {
  if (setupCode !== undefined) return new SetupError(setupCode as SetupErrorCode, message)
  return new Fault(faultCode, `${store}: ${message}`)
}

/** While running, what stands in the way of opening is a fault like any other. */
export function asFault(error: unknown, store: string, faultCode: FaultCode): unknown {
  if (!(error instanceof SetupError)) return error
  return new Fault(faultCode, `${store}: ${error.message}`, { cause: error })
}
