import type { Worker, WorkerOptions } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../../core/fault.ts'
import { threadMissingOf } from '../../../core/runtime/thread-missing.ts'
import { processScheduler, type Scheduler } from '../../../core/scheduler.ts'
import { SetupError, type SetupErrorCode } from '../../../core/setup-error.ts'
import { markOfDisk } from '../disk/of-disk.ts'
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
  /**
   * Milliseconds after which a call that has no answer is given up, with all behind it: the disk
   * does not answer. Until it does, every other call fails at once.
   * @default never: the calls of this thread may take long
   */
  readonly stallMs?: number | undefined
  /** @default the process's own timers */
  readonly scheduler?: Scheduler | undefined
}

/** How long closing waits for a thread whose calls may take long, in milliseconds. */
const closeMs = 10_000

/**
 * A thread of a store. It starts with its first call, and again with the next call after it has
 * died. It keeps the process alive only while an answer is awaited. Calls are answered in order.
 * What was given up may still be done later, once the disk answers.
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
  /** Whether a call was given up, and the thread has not answered since. */
  readonly isStalled: () => boolean
  /**
   * Ends the thread after the call `close`; resolves with undefined if no thread runs.
   *
   * @throws Fault if that call failed or was given up, by rejecting
   */
  readonly close: (argument: Parameters<Calls['close']>[0]) => Promise<ReturnType<Calls['close']> | undefined>
}

interface PendingCall {
  readonly name: string
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
  cancel: () => void
}

interface RunningThread {
  readonly worker: Worker
  readonly pending: Map<number, PendingCall>
  isStalled: boolean
}

export function createRestartingThread<Calls extends CallTable<Calls>>(
  options: RestartingThreadOptions,
): RestartingThread<Calls> {
  const { store, role, faultCode, onRestart, stallMs, scheduler = processScheduler } = options
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

  async function askWithin<Name extends keyof Calls & string>(
    ms: number | undefined,
    name: Name,
    argument: Parameters<Calls[Name]>[0],
    transfer?: ArrayBuffer,
  ): Promise<ReturnType<Calls[Name]>> {
    if (!isOpen) throw new Fault(faultCode, `${store}: it is closed`)
    running ??= start()
    const thread = running
    if (thread.isStalled) throw stalledFault(options, ms)
    const { worker, pending } = thread
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Calls[Name]>>()
    calls += 1
    const id = calls
    // First: an argument that cannot be cloned throws here, and no answer will come.
    const request: ThreadRequest = { id, name, argument }
    worker.postMessage(request, transfer === undefined ? undefined : [transfer])
    if (pending.size === 0) worker.ref()
    const call: PendingCall = { name, resolve, reject, cancel: () => {} }
    pending.set(id, call)
    if (ms !== undefined) call.cancel = scheduler.after(ms, () => void giveUpUnanswered(thread, id, ms))
    return promise
  }

  async function giveUpUnanswered(thread: RunningThread, id: number, ms: number): Promise<void> {
    // Timers are run before the answers are read that have arrived meanwhile.
    await scheduler.yieldTurn()
    if (thread.pending.has(id)) giveUp(thread, stalledFault(options, ms))
  }

  return {
    ask: (name, argument, transfer) => askWithin(stallMs, name, argument, transfer),
    isStalled: () => running?.isStalled === true,
    async open(argument) {
      try {
        // An opening may take long: it waits for locks, and brings a file up to date.
        return await askWithin(undefined, 'open', argument)
      } catch (error) {
        await running?.worker.terminate()
        const { cause } = error as Error
        throw threadMissingOf(`${store}: the ${role} thread`, cause) ?? error
      }
    },
    async close(argument) {
      const thread = running
      const last = isOpen && thread ? askWithin(stallMs ?? closeMs, 'close', argument) : undefined
      isOpen = false
      try {
        return await last
      } finally {
        // It ends only once the disk answers.
        const ended = thread?.worker.terminate()
        if (thread?.isStalled === false) await ended
      }
    },
  }
}

/** Everything behind the call would only wait for what is late. */
function giveUp(thread: RunningThread, fault: Fault): void {
  thread.isStalled = true
  for (const { reject, cancel } of thread.pending.values()) {
    cancel()
    reject(fault)
  }
  thread.pending.clear()
  thread.worker.unref()
}

function stalledFault({ store, faultCode }: RestartingThreadOptions, ms: number = closeMs): Fault {
  return markOfDisk(new Fault(faultCode, `${store}: the disk has not answered for ${ms / 1_000} s`))
}

/** @param onEnd called before the calls that have no answer are rejected */
function startThread(
  { startWorker, data, store, role, faultCode }: RestartingThreadOptions,
  onEnd: () => void,
): RunningThread {
  const worker = start()
  const pending = new Map<number, PendingCall>()
  const thread: RunningThread = { worker, pending, isStalled: false }

  function start(): Worker {
    try {
      // Without this process's flags: under `--input-type`, for one, no file can be a program.
      return startWorker({ workerData: data, name: `${store}-${role}`, execArgv: [] })
    } catch (cause) {
      throw new Fault(faultCode, `${store}: the ${role} thread cannot start`, { cause })
    }
  }

  function settle(answer: ThreadAnswer): void {
    thread.isStalled = false
    const call = pending.get(answer.id)
    call?.cancel()
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
    for (const { reject, cancel } of pending.values()) {
      cancel()
      reject(fault)
    }
    pending.clear()
  }

  worker.unref()
  worker.on('error', leave)
  worker.on('exit', (code) => leave(new Error(`exit code ${code}`)))
  worker.on('message', settle)
  return thread
}

/** A thread's error as a fault. Only of the call `open`, an obstacle to opening is a SetupError. */
export function faultOf({ message, isOfDisk }: ThreadFailure, store: string, faultCode: FaultCode): Fault {
  const fault = new Fault(faultCode, `${store}: ${message}`)
  return isOfDisk ? markOfDisk(fault) : fault
}

function setupErrorOf(failure: ThreadFailure, store: string, faultCode: FaultCode): Error {
  const { setupCode, message } = failure
  return setupCode === undefined
    ? faultOf(failure, store, faultCode)
    : new SetupError(setupCode as SetupErrorCode, message)
}
