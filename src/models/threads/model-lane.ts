import { setTimeout as pause } from 'node:timers/promises'
import { Fault } from '../../core/fault.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { createInputRefusal } from '../input-refusal.ts'
import type { ModelDeclaration } from '../model.ts'
import { notReadyIn } from '../not-ready.ts'
import { withoutMessage } from '../without-message.ts'
import type { BatchCall, BatchLane, BatchRun, CallAnswer } from './batch-lane.ts'
import {
  batchAfter,
  HostEnded,
  type HostKind,
  type HostOptions,
  type ModelAnswer,
  type ModelHost,
} from './host.ts'
import { startProcessHost } from './process-host.ts'
import { ReplacementPauses } from './replacement-pauses.ts'
import { startThreadHost } from './thread-host.ts'

export interface ModelLaneOptions {
  /** Absolute path of the module that exports the model. */
  readonly file: string
  /** Longest that a host may take to load and warm its model, in milliseconds. */
  readonly loadMs: number
  /** Longest answer to one call, and to all calls of a batch together, in bytes of JSON. */
  readonly answerBytesMax: number
  /** How long an aborted batch may go on beyond its time, in milliseconds; then its host ends. */
  readonly graceMs: number
  /** Most memory of the host's JavaScript heap in MiB; undefined leaves it to Node. */
  readonly heapMib: number | undefined
  /** Called if the host was lost, or its replacement could not load the model. For the log. */
  readonly telemetry: Telemetry
}

/** How long a closing lane waits for native code in a thread to return, in milliseconds. */
const nativeGraceMs = 5_000

const hosts = { threaded: startThreadHost, process: startProcessHost } as const
const lost = { threaded: 'model.thread_lost', process: 'model.process_lost' } as const

/**
 * One host with one model, and another when that has ended. The batch queue alone decides which
 * lane works on what, so that no batch ever waits behind another, or for a host whose model is not
 * loaded.
 */
export class ModelLane implements BatchLane {
  readonly kind: HostKind
  readonly #options: ModelLaneOptions
  readonly #closing = new AbortController()
  #declaration: ModelDeclaration | undefined
  /** The one that is starting or running. */
  #host: ModelHost | undefined
  /** Resolves when its model is loaded; rejects only where it never was, or while closing. */
  #ready: Promise<ModelHost> = Promise.reject(new Error('it was not prepared'))
  #working: Promise<unknown> = Promise.resolve()
  #batch = 0
  readonly #pauses = new ReplacementPauses()
  #isWorking = false
  #isOut = false
  /** Whether native code goes on in its thread, beyond its time. */
  #isStuck = false

  constructor(kind: HostKind, options: ModelLaneOptions) {
    this.kind = kind
    this.#options = options
    this.#ready.catch(() => {})
  }

  /**
   * Starts a host that loads and warms the model.
   *
   * @param isProbe refuses native code until the model has said where it runs
   * @throws SetupError `model_unreadable`, `thread_missing`
   */
  async prepare(isProbe = false): Promise<ModelDeclaration> {
    this.#ready = this.#start(isProbe)
    await this.#ready
    return this.#declaration as ModelDeclaration
  }

  /** Whether its host has ended and the next could not load the model, or does not return. */
  isOut(): boolean {
    return this.#isOut || this.#isStuck
  }

  /** Whether the module wanted native code, and got none. */
  refusedNativeCode(): boolean {
    return this.#host?.refusedNativeCode() ?? false
  }

  start(batch: readonly BatchCall[]): BatchRun {
    const calls = batch.map(({ inputs, writes }) => ({ inputs, writes }))
    this.#batch = batchAfter(this.#batch)
    const number = this.#batch
    let host: ModelHost | undefined
    let grace: NodeJS.Timeout | undefined
    let killAt = Number.POSITIVE_INFINITY
    let isAborted = false
    let hasEnded = false
    const givenUp = Promise.withResolvers<never>()
    const running = this.#ready
      .then((ready) => {
        if (hasEnded) throw new Error('it was given up before it began')
        host = ready
        if (isAborted) host.abort(number)
        this.#isWorking = true
        return ready.ask({ ask: 'predict', calls, batch: number })
      })
      .finally(() => {
        hasEnded = true
        this.#isWorking = false
        this.#isStuck = false
        clearTimeout(grace)
      })
    this.#working = running.catch(() => {})
    const giveUp = (): void => {
      if (hasEnded) return
      givenUp.reject(this.#fault('a batch did not end within its time'))
      if (host === undefined) hasEnded = true
      else if (!host.kill('it was ended: a batch did not end within its time')) {
        this.#isStuck = true
        this.#options.telemetry.event('model.call_stuck', { model: this.#options.file })
      }
    }
    const answers = running.then(
      (answer) => {
        this.#pauses.reset()
        return answersOf(answer)
      },
      (cause) => {
        throw this.#fault('it ended', loggable(cause))
      },
    )
    return {
      answers: Promise.race([answers, givenUp.promise]),
      // A host that died has told so before: what is ready now, or will be, is the next one.
      free: running.then(
        () => {},
        () => this.#ready.then(noop, noop),
      ),
      abort: (leftMs) => {
        const graceMs = leftMs + this.#options.graceMs
        const at = performance.now() + graceMs
        if (hasEnded || at >= killAt) return
        killAt = at
        isAborted = true
        host?.abort(number)
        clearTimeout(grace)
        // Timers are run before what has arrived meanwhile is read.
        grace = setTimeout(() => setImmediate(giveUp), graceMs)
      },
    }
  }

  /** Closes the model and ends its host, by force where it does not listen. */
  async close(): Promise<void> {
    this.#closing.abort()
    const host = this.#host
    if (host === undefined) return
    const { graceMs } = this.#options
    await within(graceMs, this.#working)
    const closed = this.#declaration === undefined ? undefined : host.ask({ ask: 'close' }).catch(noop)
    await within(graceMs, closed)
    // Native code is never ended within a thread: after this wait it is left where it is, and the
    // process ends without it.
    if (!host.kill('it was closed')) {
      await within(nativeGraceMs, Promise.all([this.#working, closed]))
      if (!host.kill('it was closed')) return host.leave()
    }
    await within(graceMs, host.ended)
  }

  async #start(isProbe: boolean): Promise<ModelHost> {
    const { heapMib } = this.#options
    const host = this.#startHost({ heapMib, isProbe })
    this.#host = host
    let isLoaded = false
    // First of those who wait for its end, so that they find the next one.
    void host.ended.then((cause) => {
      if (isLoaded && this.#host === host) this.#replace(cause)
    })
    const declaration = await this.#load(host)
    this.#declaration ??= declaration
    if (JSON.stringify(declaration) !== JSON.stringify(this.#declaration)) {
      host.kill('it was ended: it said something else of itself')
      throw unreadable(this.#options.file, 'it says something else of itself than at the start')
    }
    isLoaded = true
    return host
  }

  #startHost(options: HostOptions): ModelHost {
    try {
      return hosts[this.kind](options)
    } catch (cause) {
      if (cause instanceof SetupError) throw cause
      throw unreadable(this.#options.file, `${this.#place()} did not start: ${String(cause)}`, cause)
    }
  }

  async #load(host: ModelHost): Promise<ModelDeclaration> {
    const { file, loadMs, answerBytesMax } = this.#options
    let timer: NodeJS.Timeout | undefined
    const late = Promise.withResolvers<never>()
    const giveUp = (why: string): void => {
      late.reject(unreadable(file, why))
      host.kill(`it was ended: ${why}`)
    }
    // Keeps the process alive, too: an import that never ends would end it without a word.
    timer = setTimeout(giveUp, loadMs, notReadyIn(loadMs))
    const onClose = () => giveUp('it was closed')
    this.#closing.signal.addEventListener('abort', onClose, { once: true })
    try {
      const answer = await Promise.race([host.ask({ ask: 'prepare', file, answerBytesMax }), late.promise])
      if (answer.outcome === 'ready') return answer.declaration
      host.kill('it was ended: it cannot load the model')
      if (answer.outcome === 'unreadable') throw new SetupError('model_unreadable', answer.message)
      throw unreadable(file, 'message' in answer ? answer.message : answer.outcome)
    } catch (cause) {
      if (cause instanceof SetupError) throw cause
      throw unreadable(file, `${this.#place()} died: ${String(cause)}`, cause)
    } finally {
      clearTimeout(timer)
      this.#closing.signal.removeEventListener('abort', onClose)
    }
  }

  #replace(cause: unknown): void {
    if (this.#closing.signal.aborted) return
    const pauseMs = this.#isWorking ? this.#pauses.afterBatch() : this.#pauses.afterEnd()
    const ready = this.#recover(cause, pauseMs)
    ready.catch(noop)
    this.#ready = ready
  }

  /**
   * Until a new host has loaded the model: what made the last one fail, such as a disk, may be over
   * in a while.
   */
  async #recover(cause: unknown, firstPauseMs: number): Promise<ModelHost> {
    this.#report(cause)
    for (let pauseMs = firstPauseMs; ; pauseMs = this.#pauses.afterLoad()) {
      await this.#pause(pauseMs)
      try {
        const host = await this.#start(false)
        this.#isOut = false
        return host
      } catch (error) {
        if (this.#closing.signal.aborted) throw error
        this.#isOut = true
        this.#report(error)
      }
    }
  }

  /** @throws what aborts it, once the lane is closing */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closing
    if (ms > 0) await pause(ms, undefined, { signal, ref: false })
    signal.throwIfAborted()
  }

  #place(): string {
    return this.kind === 'process' ? 'its process' : 'its thread'
  }

  #fault(what: string, cause?: unknown): Fault {
    return new Fault('model_failed', `${this.#options.file}: ${this.#place()}: ${what}`, { cause })
  }

  #report(cause: unknown): void {
    this.#options.telemetry.event(lost[this.kind], { model: this.#options.file }, loggable(cause))
  }
}

function noop(): void {}

/** What a model threw out of any call may hold an input. */
function loggable(cause: unknown): unknown {
  return cause instanceof SetupError || cause instanceof HostEnded ? cause : withoutMessage(cause)
}

/** Waits for the work, but no longer. */
async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

function answersOf(answer: ModelAnswer): readonly CallAnswer[] {
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
