import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { UpstreamTimeouts } from '../gateway-settings.ts'
import { failureMessage } from './failure-message.ts'
import type { Attempt, AttemptError, AttemptFailure, AttemptListener } from './upstream.ts'
import type {
  AnswerHeaders,
  PooledExchange,
  PooledRequest,
  PoolListener,
  UpstreamPool,
} from './upstream-pool.ts'

/** How an attempt ended: with an answer of this status, with a failure, or given up. */
export type AttemptEnd = number | AttemptError | 'aborted'

/** What an upstream learns of an attempt, each time before the attempt's listener does. */
export interface AttemptWatch {
  readonly onHead: (status: number) => void
  /** The first byte of the answer's body. */
  readonly onFirstByte: () => void
  /** Exactly once. */
  readonly onOver: (end: AttemptEnd) => void
}

export interface AttemptOptions {
  readonly pool: UpstreamPool
  readonly timeouts: Omit<UpstreamTimeouts, 'firstByteMs'>
  /** When the first byte of the answer's body must have come. */
  readonly firstByteBy: number
  readonly monotonic: Clock
  readonly scheduler: Pick<Scheduler, 'after' | 'yieldTurn'>
  readonly redact: (text: string) => string
}

interface Deadline {
  readonly at: number
  readonly failure: keyof typeof timeoutWords
}

const timeoutWords = {
  connect_timeout: 'no connection',
  first_byte_timeout: 'no byte of an answer',
  idle_timeout: 'no further byte of the answer',
  total_timeout: 'no end of the answer',
} as const

/** A kept connection that is closed sooner without a byte was closed as the request went out. */
const staleMs = 1_000

/** Sends a request, and ends it in time. */
export function beginAttempt(
  request: PooledRequest,
  listener: AttemptListener,
  watch: AttemptWatch,
  options: AttemptOptions,
): Attempt {
  return new PooledAttempt(request, listener, watch, options)
}

/**
 * Its clocks cost no timer a piece: it is noted when one came, and one timer looks when the next
 * deadline may have been reached.
 */
class PooledAttempt implements Attempt, PoolListener {
  readonly #listener: AttemptListener
  readonly #watch: AttemptWatch
  readonly #options: AttemptOptions
  readonly #exchange: PooledExchange
  readonly #beganAt: number
  #phase: 'connecting' | 'waiting' | 'answering' | 'over' = 'connecting'
  #status = 0
  /** When it was written to a kept connection that has not brought a byte since. */
  #sentToKeptAt: number | undefined
  #firstByteBy: number
  #lastPieceAt = 0
  #pausedAt: number | undefined
  #lookAt = Number.POSITIVE_INFINITY
  #cancelLook: () => void = () => {}

  constructor(
    request: PooledRequest,
    listener: AttemptListener,
    watch: AttemptWatch,
    options: AttemptOptions,
  ) {
    this.#listener = listener
    this.#watch = watch
    this.#options = options
    this.#firstByteBy = options.firstByteBy
    this.#beganAt = options.monotonic()
    this.#exchange = options.pool.send(request, this)
    this.#lookInTime()
  }

  abort(): void {
    this.#end('aborted')
  }

  pause(): void {
    if (this.#phase === 'over' || this.#pausedAt !== undefined) return
    this.#pausedAt = this.#options.monotonic()
    this.#exchange.pause()
  }

  resume(): void {
    if (this.#phase === 'over' || this.#pausedAt === undefined) return
    const now = this.#options.monotonic()
    this.#firstByteBy += now - this.#pausedAt
    this.#lastPieceAt = now
    this.#pausedAt = undefined
    this.#exchange.resume()
    this.#lookInTime()
  }

  onSent(isKept: boolean): void {
    this.#phase = 'waiting'
    this.#sentToKeptAt = isKept ? this.#options.monotonic() : undefined
  }

  onBegun(): void {
    this.#sentToKeptAt = undefined
  }

  onHead(status: number, headers: AnswerHeaders): void {
    this.#status = status
    this.#watch.onHead(status)
    this.#listener.onHead(status, headers)
  }

  onPiece(piece: Buffer): void {
    this.#lastPieceAt = this.#options.monotonic()
    if (this.#phase !== 'answering') {
      this.#phase = 'answering'
      // The timer may wait for the first byte's deadline, and that is later.
      this.#lookInTime()
      this.#watch.onFirstByte()
    }
    this.#listener.onPiece(piece)
  }

  onEnd(): void {
    if (this.#end(this.#status)) aloud(() => this.#listener.onEnd())
  }

  onError(error: Error): void {
    const message = failureMessage(error, this.#options.redact)
    this.#fail(this.#phase === 'connecting' ? 'unreachable' : 'broken', message)
  }

  #fail(failure: AttemptFailure, message: string): void {
    const error: AttemptError = {
      failure,
      hasBegun: this.#phase === 'answering',
      isStale:
        failure === 'broken' &&
        this.#sentToKeptAt !== undefined &&
        this.#options.monotonic() - this.#sentToKeptAt < staleMs,
      message,
    }
    // Those that wait were kept for as long, and are closed as likely.
    if (error.isStale) this.#options.pool.closeIdle()
    if (this.#end(error)) aloud(() => this.#listener.onError(error))
  }

  #end(end: AttemptEnd): boolean {
    if (this.#phase === 'over') return false
    this.#phase = 'over'
    this.#cancelLook()
    // Does nothing where it ended by itself.
    this.#exchange.abort()
    this.#watch.onOver(end)
    return true
  }

  #nextDeadline(): Deadline {
    const { connectMs, idleMs, totalMs } = this.#options.timeouts
    const deadlines: Deadline[] = [{ at: this.#beganAt + totalMs, failure: 'total_timeout' }]
    if (this.#phase === 'connecting')
      deadlines.push({ at: this.#beganAt + connectMs, failure: 'connect_timeout' })
    // What is not read cannot come.
    if (this.#pausedAt === undefined)
      deadlines.push(
        this.#phase === 'answering'
          ? { at: this.#lastPieceAt + idleMs, failure: 'idle_timeout' }
          : { at: this.#firstByteBy, failure: 'first_byte_timeout' },
      )
    return deadlines.reduce((soonest, other) => (other.at < soonest.at ? other : soonest))
  }

  /** Has the timer look at the next deadline, unless it looks before. */
  #lookInTime(): void {
    const { at } = this.#nextDeadline()
    if (at >= this.#lookAt) return
    this.#cancelLook()
    this.#lookAt = at
    const { monotonic, scheduler } = this.#options
    this.#cancelLook = scheduler.after(Math.max(0, Math.ceil(at - monotonic())), () => void this.#look())
  }

  async #look(): Promise<void> {
    const { monotonic, scheduler } = this.#options
    // Timers run before what has arrived meanwhile is read: that has come in time.
    if (this.#nextDeadline().at <= monotonic()) await scheduler.yieldTurn()
    if (this.#phase === 'over') return
    const { at, failure } = this.#nextDeadline()
    if (at <= monotonic())
      return this.#fail(failure, `${timeoutWords[failure]}, ${this.#age()} ms after the attempt began`)
    this.#lookAt = Number.POSITIVE_INFINITY
    this.#lookInTime()
  }

  #age(): number {
    return Math.round(this.#options.monotonic() - this.#beganAt)
  }
}

/**
 * A listener's fault is thrown where it ends the process, as any other: undici would take it for
 * one of the connection, and its call would never end.
 */
function aloud(tell: () => void): void {
  try {
    tell()
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown
    })
  }
}
