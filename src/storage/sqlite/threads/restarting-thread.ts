import type { Worker, WorkerOptions } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../../core/fault.ts'
import { SetupError, type SetupErrorCode } from '../../../core/setup-error.ts'
import { threadMissingOf } from '../../../core/thread-missing.ts'
import type { CallTable, ThreadAnswer, ThreadFailure, ThreadRequest } from './thread-program.ts'

/** The options of a thread's worker. */
export type ThreadStart = Required<Pick<WorkerOptions, 'workerData' | 'name' | 'execArgv'>>

export interface RestartingThreadOptions {
  /**
   * `new Worker(new URL('./x-thread.ts', import.meta.url), { workerData, name, execArgv })`,
   * written out where the program stands: bundlers look for exactly this. They lose a program whose
   * URL is put together in another way, and Turbopack one whose options are not an object literal,
   * because `eval` may be among them: it copies the file, and leaves behind what that imports.
   */
  readonly startWorker: (start: ThreadStart) => Worker
  /** Becomes the thread's `workerData`. */
  readonly data: object
  /** What messages call the store: `ledger`. */
  readonly store: string
  readonly role: string
  /** Of every fault. */
  readonly faultCode: FaultCode
  /** Called when a thread that died is replaced. */
  readonly onRestart?: (() => void) | undefined
}

/**
 * A thread of a store. It starts with its first call, and again with the next call after it has
 * died. It keeps the process alive only while an answer is awaited. Calls are answered in order.
 */
export interface RestartingThread<Calls extends CallTable<Calls>> {
  /**
   * The first call; the thread ends again if it fails.
   *
   * @throws SetupError, `thread_missing` among others; Fault; by rejecting
   */
  readonly open: (argument: Parameters<Calls['open']>[0]) => Promise<ReturnType<Calls['open']>>
  /** @throws Fault with the thread's code, by rejecting */
  readonly ask: <Name extends keyof Calls & string>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
    transfer?: ArrayBuffer,
  ) => Promise<ReturnType<Calls[Name]>>
  /**
   * Ends the thread after the call `close`; resolves with undefined if no thread runs.
   *
   * @throws Fault if that call failed, by rejecting
   */
  readonly close: (argument: Parameters<Calls['close']>[0]) => Promise<ReturnType<Calls['close']> | undefined>
}

interface PendingCall {
  readonly name: string
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
}

interface RunningThread {
  readonly worker: Worker
  readonly pending: Map<number, PendingCall>
}

export function createRestartingThread<Calls extends CallTable<Calls>>(
  options: RestartingThreadOptions,
): RestartingThread<Calls> {
  const { store, role, faultCode, onRestart } = options
  let running: RunningThread | undefined
  let hasDied = false
  let isOpen = true
  let calls = 0

  function start(): RunningThread {
    if (hasDied) onRestart?.()
    const started = startThread(options, () => {
      hasDied = true
      if (running === started) running = undefined
    })
    return started
  }

  const ask: RestartingThread<Calls>['ask'] = async function ask(name, argument, transfer) {
    if (!isOpen) throw new Fault(faultCode, `${store}: it is closed`)
    running ??= start()
    const { worker, pending } = running
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Calls[typeof name]>>()
    calls += 1
    // First: an argument that cannot be cloned throws here, and no answer will come.
    worker.postMessage(
      { id: calls, name, argument } satisfies ThreadRequest,
      transfer === undefined ? undefined : [transfer],
    )
    if (pending.size === 0) worker.ref()
    pending.set(calls, { name, resolve, reject })
    return promise
  }

  return {
    ask,
    async open(argument) {
      try {
        return await ask('open', argument)
      } catch (error) {
        await running?.worker.terminate()
        const { cause } = error as Error
        throw threadMissingOf(`${store}: the ${role} thread`, cause) ?? error
      }
    },
    async close(argument) {
      if (!isOpen || running === undefined) {
        isOpen = false
        return undefined
      }
      const { worker } = running
      const last = ask('close', argument)
      isOpen = false
      try {
        return await last
      } finally {
        await worker.terminate()
      }
    },
  }
}

/** @param onEnd called before the calls that have no answer are rejected */
function startThread(
  { startWorker, data, store, role, faultCode }: RestartingThreadOptions,
  onEnd: () => void,
): RunningThread {
  const worker = start()
  const pending = new Map<number, PendingCall>()

  function start(): Worker {
    try {
      // Without this process's flags: under `--input-type`, for one, no file can be a program.
      return startWorker({ workerData: data, name: `${store}-${role}`, execArgv: [] })
    } catch (cause) {
      throw new Fault(faultCode, `${store}: the ${role} thread cannot start`, { cause })
    }
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

  function leave(cause: unknown): void {
    onEnd()
    const fault = new Fault(faultCode, `${store}: the ${role} thread has ended`, { cause })
    for (const { reject } of pending.values()) reject(fault)
    pending.clear()
  }

  worker.unref()
  worker.on('error', leave)
  worker.on('exit', (code) => leave(new Error(`exit code ${code}`)))
  worker.on('message', settle)
  return { worker, pending }
}

/** A thread's error as a fault. Only of the call `open`, an obstacle to opening is a SetupError. */
export function faultOf({ message }: ThreadFailure, store: string, faultCode: FaultCode): Fault {
  return new Fault(faultCode, `${store}: ${message}`)
}

function setupErrorOf(failure: ThreadFailure, store: string, faultCode: FaultCode): Error {
  const { setupCode, message } = failure
  return setupCode === undefined
    ? faultOf(failure, store, faultCode)
    : new SetupError(setupCode as SetupErrorCode, message)
}
