import { Worker } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../../core/fault.ts'
import { SetupError, type SetupErrorCode } from '../../../core/setup-error.ts'
import type { CallTable, ThreadAnswer, ThreadFailure, ThreadRequest } from './thread-calls.ts'

/** A thread of a store, from outside. It keeps the process alive only while an answer is awaited. */
export interface ThreadWorker<Calls extends CallTable<Calls>> {
  /**
   * Calls are answered in order.
   *
   * @throws Fault with the thread's code, and the call `open` a SetupError too; both by rejecting
   */
  readonly ask: <Name extends keyof Calls & string>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
    transfer?: readonly ArrayBuffer[],
  ) => Promise<ReturnType<Calls[Name]>>
  /** Whether the thread has ended and answers nothing any more. */
  readonly isGone: () => boolean
  readonly end: () => Promise<void>
}

export interface ThreadOptions {
  /** Path of the thread's program from this file, without its extension. */
  readonly program: string
  /** Becomes the thread's `workerData`. */
  readonly data: object
  /** What messages call the store: `ledger`. */
  readonly store: string
  readonly role: string
  /** Of every fault. */
  readonly faultCode: FaultCode
}

interface Call {
  readonly name: string
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
}

// Sources run both as they are and built: a thread's program has the same extension as this file.
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

export function startThread<Calls extends CallTable<Calls>>({
  program,
  data,
  store,
  role,
  faultCode,
}: ThreadOptions): ThreadWorker<Calls> {
  const url = new URL(`./${program}.${extension}`, import.meta.url)
  // Without this process's flags: under `--input-type`, for one, a thread's program cannot be a file.
  const worker = new Worker(url, { workerData: data, name: `${store}-${role}`, execArgv: [] })
  const pending = new Map<number, Call>()
  let isGone = false
  let calls = 0

  function goneFault(cause: unknown): Fault {
    return new Fault(faultCode, `${store}: the ${role} thread has ended`, { cause })
  }

  function leave(reason: unknown): void {
    isGone = true
    for (const { reject } of pending.values()) reject(goneFault(reason))
    pending.clear()
  }

  function settle(answer: ThreadAnswer): void {
    const call = pending.get(answer.id)
    pending.delete(answer.id)
    if (pending.size === 0) worker.unref()
    if (call === undefined) return
    if ('value' in answer) call.resolve(answer.value as never)
    else if (call.name === 'open') call.reject(setupErrorOf(answer.failure, store, faultCode))
    else call.reject(faultOf(answer.failure, store, faultCode))
  }

  worker.unref()
  worker.on('error', leave)
  worker.on('exit', (code) => leave(new Error(`exit code ${code}`)))
  worker.on('message', settle)

  return {
    async ask(name, argument, transfer = []) {
      if (isGone) throw goneFault(undefined)
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Calls[typeof name]>>()
      calls += 1
      // First: an argument that cannot be cloned throws here, and no answer will come.
      worker.postMessage({ id: calls, name, argument } satisfies ThreadRequest, [...transfer])
      if (pending.size === 0) worker.ref()
      pending.set(calls, { name, resolve, reject })
      return promise
    },
    isGone: () => isGone,
    async end() {
      await worker.terminate()
    },
  }
}

/** A thread's error, as a fault: while running, an obstacle to opening is a fault like any other. */
export function faultOf({ message }: ThreadFailure, store: string, faultCode: FaultCode): Fault {
  return new Fault(faultCode, `${store}: ${message}`)
}

function setupErrorOf(failure: ThreadFailure, store: string, faultCode: FaultCode): Error {
  const { setupCode, message } = failure
  return setupCode === undefined
    ? faultOf(failure, store, faultCode)
    : new SetupError(setupCode as SetupErrorCode, message)
}
