import { fileURLToPath } from 'node:url'
import { Fault } from '../../core/fault.ts'
import { SetupError } from '../../core/setup-error.ts'
import { threadMissingOf } from '../../core/thread-missing.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { createInputRefusal } from '../input-refusal.ts'
import type { ModelDeclaration } from '../model.ts'
import { withoutMessage } from '../without-message.ts'
import type { BatchCall, BatchLane, BatchRun, CallAnswer } from './batch-lane.ts'
import { batchFlag, type ThreadAnswer, type ThreadData, type ThreadTask } from './thread-messages.ts'
import { createThreadPool, type ThreadPool } from './thread-pool.ts'

export interface ThreadLaneOptions {
  /** Absolute path of the module that exports the model. */
  readonly file: string
  /** Longest that a thread may take to load and warm its model, in milliseconds. */
  readonly loadMs: number
  /** Longest answer to one call, and to all calls of a batch together, in bytes of JSON. */
  readonly answerBytesMax: number
  /** How long an aborted batch may go on beyond its time, in milliseconds; then its thread ends. */
  readonly graceMs: number
  /** Most memory of the thread's JavaScript heap in MiB; undefined leaves it to Node. */
  readonly heapMib: number | undefined
  /** Called if the thread was lost, or its replacement could not load the model. For the log. */
  readonly telemetry: Telemetry
}

/** Pauses between attempts to load a model that could be loaded before, in milliseconds. */
const pauseMs = { first: 100, most: 30_000 } as const

/**
 * One thread with one model, and a pool of its own: Piscina replaces the thread when it dies, and
 * the batch queue alone decides which thread works on what, so that no batch ever waits inside a
 * pool behind another, or for a thread whose model is not loaded.
 */
export class ThreadLane implements BatchLane {
  readonly #pool: ThreadPool<ThreadTask, ThreadAnswer>
  readonly #options: ThreadLaneOptions
  readonly #closing = new AbortController()
  #declaration: ModelDeclaration | undefined

  constructor(options: ThreadLaneOptions) {
    this.#options = options
    this.#pool = startPool(options)
    // A thread that dies without a task. Piscina replaces it; the next batch loads the model.
    this.#pool.on('error', (error) => this.#report(error))
  }

  /**
   * Loads and warms the model.
   *
   * @throws SetupError `model_unreadable`, `thread_missing`
   */
  async prepare(): Promise<ModelDeclaration> {
    const declaration = await this.#load()
    this.#declaration ??= declaration
    if (JSON.stringify(declaration) !== JSON.stringify(this.#declaration))
      throw unreadable(this.#options.file, 'it says something else of itself than at the start')
    return declaration
  }

  start(batch: readonly BatchCall[]): BatchRun {
    const calls = batch.map(({ inputs, writes }) => ({ inputs, writes }))
    const flag = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    const kill = new AbortController()
    let grace: NodeJS.Timeout | undefined
    let killAt = Number.POSITIVE_INFINITY
    let hasEnded = false
    const running = this.#pool.run({ ask: 'predict', calls, flag }, { signal: kill.signal }).finally(() => {
      hasEnded = true
      clearTimeout(grace)
    })
    return {
      answers: running.then(
        (answer) => answersOf(answer),
        (cause) => {
          throw new Fault('model_failed', `${this.#options.file}: the thread died`, {
            cause: withoutMessage(cause),
          })
        },
      ),
      free: running.then(
        () => {},
        (cause) => this.#recover(withoutMessage(cause)),
      ),
      abort: (leftMs) => {
        const graceMs = leftMs + this.#options.graceMs
        const at = performance.now() + graceMs
        if (hasEnded || at >= killAt) return
        killAt = at
        Atomics.store(flag, 0, batchFlag.aborted)
        Atomics.notify(flag, 0)
        clearTimeout(grace)
        grace = setTimeout(() => kill.abort(), graceMs)
      },
    }
  }

  /** Closes the model and ends the thread, by force where it does not listen. */
  async close(): Promise<void> {
    this.#closing.abort()
    const { graceMs } = this.#options
    if (this.#declaration !== undefined)
      await this.#pool.run({ ask: 'close' }, { signal: AbortSignal.timeout(graceMs) }).catch(() => {})
    // A thread within native code ends when that returns; this does not wait for it.
    await Promise.race([this.#pool.destroy(), pause(graceMs)])
  }

  async #load(): Promise<ModelDeclaration> {
    const { file, loadMs } = this.#options
    const signal = AbortSignal.any([AbortSignal.timeout(loadMs), this.#closing.signal])
    let answer: ThreadAnswer
    try {
      answer = await this.#pool.run({ ask: 'prepare' }, { signal })
    } catch (cause) {
      const missing = programMissingOf(cause)
      if (missing !== undefined) throw missing
      const why = signal.aborted
        ? `it was not ready within ${loadMs} ms`
        : `its thread died: ${String(cause)}`
      throw unreadable(file, why, cause)
    }
    if (answer.outcome === 'ready') return answer.declaration
    if (answer.outcome === 'unreadable') throw new SetupError('model_unreadable', answer.message)
    throw unreadable(file, 'message' in answer ? answer.message : answer.outcome)
  }

  /**
   * Until a new thread has loaded the model: what made the last one fail, such as a disk, may be
   * over in a while.
   */
  async #recover(cause: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#report(cause)
    for (let ms: number = pauseMs.first; ; ms = Math.min(ms * 2, pauseMs.most)) {
      try {
        await this.prepare()
        return
      } catch (error) {
        if (this.#closing.signal.aborted) return
        this.#report(error)
        await pause(ms)
      }
    }
  }

  #report(cause: unknown): void {
    this.#options.telemetry.event('model.thread_lost', { model: this.#options.file }, cause)
  }
}

const threadName = "models: a model's thread"

/** A literal, which bundlers and tracers of files look for. */
function programFile(): string {
  return fileURLToPath(new URL('./model-thread.ts', import.meta.url))
}

/** Undefined where a model's own module lacks something: what Node says then names other files. */
function programMissingOf(cause: unknown): SetupError | undefined {
  const isOurs = cause instanceof Error && cause.stack?.includes(programFile())
  return isOurs ? threadMissingOf(threadName, cause) : undefined
}

/** @throws SetupError `thread_missing` */
function startPool({
  file,
  answerBytesMax,
  heapMib,
}: ThreadLaneOptions): ThreadPool<ThreadTask, ThreadAnswer> {
  try {
    return createThreadPool({
      filename: programFile(),
      name: 'answerTask',
      workerData: { file, answerBytesMax } satisfies ThreadData,
      heapMib,
    })
  } catch (cause) {
    throw threadMissingOf(threadName, cause) ?? cause
  }
}

function answersOf(answer: ThreadAnswer): readonly CallAnswer[] {
  if (answer.outcome === 'answered') return answer.answers
  if (answer.outcome === 'refused') throw createInputRefusal(answer.detail, answer.errors)
  const cause = new Error('message' in answer ? answer.message : answer.outcome)
  if ('stack' in answer && answer.stack !== undefined) cause.stack = answer.stack
  throw new Fault('model_failed', `the model failed: ${cause.message}`, { cause })
}

function unreadable(file: string, why: string, cause?: unknown): SetupError {
  return new SetupError('model_unreadable', `${file}: expected a model that can be loaded, but ${why}`, {
    cause,
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}
