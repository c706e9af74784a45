import { Fault } from '../../core/fault.ts'
import type { Span } from '../../telemetry/tracing.ts'
import type { Destination } from '../directory/model-directory.ts'
import type { AttemptError, Upstream, UpstreamRequest } from '../upstreams/upstream.ts'
import { AttemptFailed, type BegunAnswer, beginAttempt } from './begin-attempt.ts'

/** Most attempts of one call. */
const attemptsMax = 4
/** Most characters of an upstream's own error that are logged. */
const loggedMax = 2_048

export interface FindAnswerOptions {
  /** Tried in order. */
  readonly to: readonly Destination[]
  /** @param span of this attempt, where it is traced */
  readonly requestFor: (destination: Destination, span: Span | undefined) => UpstreamRequest
  /** Begins the span of an attempt; undefined where it would not be exported. */
  readonly beginSpan: (destination: Destination) => Span | undefined
  /** When the first byte must have come, by the monotonic clock. */
  readonly firstByteBy: number
  /** Takes a place at an upstream for this call; false: its owner has no more. */
  readonly takePlace: (upstream: Upstream) => boolean
  readonly log: (text: string, fields: Readonly<Record<string, unknown>>) => void
}

/** A call that is looking for an upstream which answers. */
export interface FindingAnswer {
  /**
   * Rejects with a Fault: `upstream_failed`, `upstream_unavailable`, `upstream_timeout`,
   * `overloaded`. Never settles once it is aborted.
   */
  readonly answer: Promise<BegunAnswer>
  /** How many attempts were made. */
  readonly attempts: () => number
  /** The upstream that was asked last. */
  readonly asked: () => string | undefined
  /** Gives up the attempt that is under way. */
  readonly abort: () => void
}

/**
 * Asks upstreams one after the other until one answers with a byte of a body; from then on no other
 * is asked, for the client may have seen it. The same upstream is asked again where its connection
 * was refused, or was a kept one that had become stale.
 */
export function findAnswer(options: FindAnswerOptions): FindingAnswer {
  const { to, requestFor, firstByteBy, log } = options
  let attempts = 0
  let asked: string | undefined
  let isAborted = false
  let abortAttempt: (() => void) | undefined

  /** One upstream, with its retries; undefined: ask the next. */
  async function ask(destination: Destination, isLast: boolean): Promise<BegunAnswer | Fault> {
    const { upstream } = destination
    let left = upstream.settings.retries
    if (!isAborted && !options.takePlace(upstream)) return noPlace()
    for (;;) {
      // A call may be given up in the very turn in which its attempt has failed.
      if (isAborted) return await never()
      const waitMs = upstream.waitMs()
      if (waitMs > 0) return unavailable(Math.ceil(waitMs / 1_000))
      attempts += 1
      asked = upstream.settings.name
      const span = options.beginSpan(destination)
      const begun = beginAttempt(upstream, requestFor(destination, span), firstByteBy, span)
      abortAttempt = begun.abort
      try {
        return await judge(await begun.answer, isLast || attempts >= attemptsMax)
      } catch (thrown) {
        if (!(thrown instanceof AttemptFailed)) throw thrown
        const { error } = thrown
        log('an upstream did not answer', { upstream: asked, cause: upstream.redact(error.message) })
        const mayRetry = error.failure === 'unreachable' || error.isStale
        if (!mayRetry || isAborted || left === 0 || attempts >= attemptsMax) return faultOf(error)
        left -= 1
      }
    }
  }

  /** An answer that a client may see, or the fault that it stands for. */
  async function judge(answer: BegunAnswer, isLast: boolean): Promise<BegunAnswer | Fault> {
    const { status, headers } = answer
    if (status >= 200 && status < 300) return answer
    if (status === 429 && isLast) return answer
    const isOurs = status === 401 || status === 403 || status === 407
    if (status >= 400 && status < 500 && status !== 429 && !isOurs) return answer
    await logAnswer(answer, log)
    if (status === 503) return unavailable(secondsOf(headers['retry-after']))
    return new Fault('upstream_failed', `the upstream answered ${status}`)
  }

  async function find(): Promise<BegunAnswer> {
    // Made where it is thrown: the stack of an error costs more than the rest of a search.
    let fault: Fault | undefined
    for (const [index, destination] of to.entries()) {
      if (attempts >= attemptsMax) break
      const found = await ask(destination, index === to.length - 1)
      if (isAborted) return await never()
      if (!(found instanceof Fault)) return found
      fault = found
    }
    throw fault ?? unavailable(1)
  }

  return {
    answer: find(),
    attempts: () => attempts,
    asked: () => asked,
    abort() {
      isAborted = true
      abortAttempt?.()
    },
  }
}

/** Logs the beginning of an upstream's own error, and lets go of the upstream. */
async function logAnswer(
  { upstream, status, attempt, read }: BegunAnswer,
  log: FindAnswerOptions['log'],
): Promise<void> {
  const text = await firstBytes(read)
  attempt.abort()
  const body = upstream.redact(text, true).slice(0, loggedMax)
  log('an upstream answered with an error', { upstream: upstream.settings.name, status, body })
}

/** The first bytes of an answer's body, as they come at once; the rest is not waited for. */
function firstBytes(read: BegunAnswer['read']): Promise<string> {
  return new Promise((resolve) => {
    read({
      onPiece: (piece) => resolve(piece.toString('utf8')),
      onEnd: () => resolve(''),
      onError: () => resolve(''),
    })
  })
}

function never(): Promise<never> {
  return new Promise(() => {})
}

/** What an attempt that failed is to a client, at last. */
export function faultOf({ failure, message }: AttemptError): Fault {
  switch (failure) {
    case 'unreachable':
      return new Fault('upstream_unavailable', message)
    case 'overloaded':
      return new Fault('overloaded', message)
    case 'broken':
      return new Fault('upstream_failed', message)
    default:
      return new Fault('upstream_timeout', message)
  }
}

function noPlace(): Fault {
  return new Fault('overloaded', 'the upstream has no place for another call of this owner')
}

function unavailable(retryAfterSeconds: number | undefined): Fault {
  return new Fault('upstream_unavailable', 'no upstream can be asked', {
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}

/** `Retry-After` in seconds, an hour at most; undefined for any other form. */
export function secondsOf(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,4}$/.test(value) ? Math.min(Number(value), 3_600) : undefined
}
