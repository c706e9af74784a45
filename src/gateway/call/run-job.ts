import { Fault } from '../../core/fault.ts'
import { GatheredBytes } from '../../core/gathered-bytes.ts'
import { Refusal } from '../../core/refusal.ts'
import { orAbort } from '../../core/scheduler.ts'
import type { Span } from '../../telemetry/tracing.ts'
import type { Destination } from '../directory/model-directory.ts'
import type { OpenRoute } from '../routes/open-route.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import type { CallDeps } from './call-deps.ts'
import { type Charge, type ChargedBy, type ChargedCall, chargeOfCall, measureCharge } from './charge.ts'
import { faultOf, findAnswer, secondsOf } from './find-answer.ts'
import type { JobInput } from './job-call.ts'
import { readModel, serverOf } from './prepare-call.ts'
import { type AnsweredCall, type Delivered, nothingDelivered, readDelivered } from './received-answer.ts'
import { beginAttemptSpan, headersIn } from './trace-attempt.ts'

/** What is known of a job's call where it runs. */
export interface JobCallOptions {
  readonly route: OpenRoute
  /** Those that serve the route. */
  readonly upstreams: readonly Upstream[]
  readonly owner: string
  /** Aborts the call upstream. */
  readonly signal: AbortSignal
  /** That its attempts stand under. @default it is not traced */
  readonly span?: Span | undefined
  /** What it has used, as soon as that is known. */
  readonly onUsed: (use: { readonly costs: Charge['costs']; readonly detail: JobDetail }) => void
}

type JobDetail = Readonly<Record<string, string | number>>

/** A call as it is sent, its body read by the rules of its upstreams as they are now. */
interface SentCall extends ChargedCall, AnsweredCall {
  readonly to: readonly [Destination, ...Destination[]]
  readonly bytesFor: (destination: Destination) => Buffer | undefined
}

/** A call that an upstream has begun to answer. */
interface AskedCall {
  readonly sent: SentCall
  /** Largest answer, in bytes. */
  readonly answerMax: number
  readonly signal: AbortSignal
  readonly tellUsed: (delivered: Delivered, by: ChargedBy) => void
}

/** An answer as it is read. */
interface ReadAnswer {
  /** How many bytes of it came. */
  readonly bytes: number
  /** Undefined where it is larger than may be held. */
  readonly body: Buffer | undefined
}

/**
 * Runs a call that was accepted as a job: asks upstreams as for any call, and gives the whole
 * answer as JSON; what is no JSON is a string in it. Rejects with the signal's reason.
 *
 * @throws Refusal `input_invalid`: the upstream's own; `model_not_found`: the model has gone
 * @throws Fault with a `detail` where the same call would fail again, as of an answer that is too
 *   large; `overloaded` where the owner has no place at the upstream; others
 */
export async function runJob(deps: CallDeps, input: JobInput, options: JobCallOptions): Promise<string> {
  const { route, owner, signal, span } = options
  const sent = await readAgain(deps, input, options)
  signal.throwIfAborted()
  let giveBackPlace: (() => void) | undefined
  const finding = findAnswer({
    to: sent.to,
    firstByteBy: deps.monotonic() + sent.to[0].upstream.settings.timeouts.firstByteMs,
    log: (text, fields) => deps.log(text, { ...fields, request_id: input.requestId }),
    beginSpan: (destination) => beginAttemptSpan(span, route.method, destination),
    requestFor: (destination, own) => ({
      method: route.method,
      path: serverOf(route.servers, destination).route.path,
      headers: headersIn(own, input.headers),
      body: sent.bytesFor(destination),
    }),
    takePlace(upstream) {
      giveBackPlace?.()
      giveBackPlace = deps.places.take(upstream, owner)
      return giveBackPlace !== undefined
    },
  })
  // It may fail in the very turn in which the job is given up.
  finding.answer.catch(() => undefined)
  let begun: BegunAnswer | undefined
  const tellUsed = (delivered: Delivered, by: ChargedBy): void => {
    const charge = chargeOfCall(deps.ratios, sent, delivered, by)
    if (charge === undefined) return
    const detail = { upstream: finding.asked() ?? '', attempts: finding.attempts(), usage: charge.source }
    measureCharge(deps.telemetry, finding.asked(), sent.publicName, charge)
    options.onUsed({ costs: charge.costs, detail })
  }
  try {
    begun = await orAbort(() => finding.answer, signal)
    return await takeAnswer(begun, { sent, answerMax: deps.answerMax, signal, tellUsed })
  } catch (thrown) {
    // Given up while an upstream worked on it.
    if (begun === undefined && signal.aborted && finding.attempts() > 0)
      tellUsed(nothingDelivered, 'delivered')
    throw thrown
  } finally {
    finding.abort()
    begun?.attempt.abort()
    giveBackPlace?.()
  }
}

/** Reads an answer to its end, says what it used, broken or whole, and judges it. */
async function takeAnswer(
  answer: BegunAnswer,
  { sent, answerMax, signal, tellUsed }: AskedCall,
): Promise<string> {
  const { status, headers, upstream } = answer
  const unread = (bytes: number): Delivered => ({ said: undefined, contentEvents: 0, contentBytes: bytes })
  const onBroken = (bytes: number): void => tellUsed(unread(bytes), status >= 400 ? 'nothing' : 'delivered')
  const { body, bytes } = await readWhole(answer, answerMax, signal, onBroken)
  const delivered = body === undefined ? unread(bytes) : readDelivered(sent, answer, body)
  tellUsed(delivered, status >= 400 ? 'said' : 'delivered')
  if (status === 429) throw busy(secondsOf(headers['retry-after']))
  if (status >= 400) throw refusedByUpstream(status, upstream.redact(body?.toString() ?? ''))
  if (body === undefined) throw lasting(`The answer is larger than ${answerMax} bytes.`)
  return jsonOf(body, headers['content-encoding'])
}

/** The body is read anew: what an upstream lists, and which fields are closed, may have changed. */
async function readAgain(
  deps: CallDeps,
  { body: text, output, bound, promptTokens }: JobInput,
  { route, upstreams }: JobCallOptions,
): Promise<SentCall> {
  const body = Buffer.from(text)
  if (route.asks === 'any model') {
    const bytesFor = (): Buffer | undefined => (body.length === 0 ? undefined : body)
    const to = atLeastOne(upstreams.slice(0, 1).map((upstream) => ({ upstream, model: '' })))
    const plain = { publicName: undefined, bodyBytes: body.length, imageTokens: 0, bound: undefined }
    return { ...plain, to, form: undefined, answers: 1, bytesFor }
  }
  const { model, bodyFor } = await readModel(deps, { route, upstreams, body })
  const to = atLeastOne(model.to)
  const { images, answers } = bodyFor(to[0])
  return {
    to,
    publicName: model.publicName,
    bodyBytes: body.length - images.bytes,
    imageTokens: to[0].upstream.settings.tokens.image * images.count,
    bound,
    promptTokens,
    form: route.form,
    answers,
    bytesFor(destination) {
      const own = bodyFor(destination)
      const lacksOutput =
        own.output === undefined && serverOf(route.servers, destination).route.output !== undefined
      return own.write({
        ...(output !== undefined && lacksOutput && { output }),
        ...(own.model !== undefined && { model: destination.model }),
      })
    },
  }
}

function atLeastOne([first, ...others]: readonly Destination[]): SentCall['to'] {
  if (first === undefined) throw new Fault('internal', 'a model without an upstream was resolved')
  return [first, ...others]
}

/**
 * The answer, or of one that is larger than `max` its first bytes alone. Rejects with the signal's
 * reason.
 *
 * @param onBroken gets how many bytes came of one that did not end
 */
async function readWhole(
  answer: BegunAnswer,
  max: number,
  signal: AbortSignal,
  onBroken: (bytes: number) => void,
): Promise<ReadAnswer> {
  const gathered = new GatheredBytes()
  let bytes = 0
  const reading = (): Promise<ReadAnswer> =>
    new Promise((resolve, reject) => {
      answer.read({
        onPiece(piece) {
          bytes += piece.length
          if (bytes <= max) {
            gathered.add(piece)
            return
          }
          answer.hold()
          resolve({ bytes, body: undefined })
        },
        onEnd: () => resolve({ bytes, body: gathered.take() }),
        onError: (error) => reject(faultOf(error)),
      })
    })
  try {
    return await orAbort(reading, signal)
  } catch (thrown) {
    onBroken(bytes)
    throw thrown
  }
}

/** Most characters of an upstream's own error that a job's owner is shown. */
const shownCharactersMax = 500

/** It may pass later, and not before the upstream says so. */
function busy(retryAfterSeconds: number | undefined): Fault {
  return new Fault('upstream_failed', 'the upstream answered 429', {
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}

/** What the upstream refused comes again. */
function refusedByUpstream(status: number, text: string): Refusal {
  const says = text.slice(0, shownCharactersMax)
  return new Refusal('input_invalid', `The model server answered ${status}${says === '' ? '.' : `: ${says}`}`)
}

/** A fault that the same call would come to again. */
function lasting(detail: string): Fault {
  return new Fault('upstream_failed', detail, { detail })
}

/** An answer as it stands in a job. */
function jsonOf(body: Buffer, coding: unknown): string {
  if (coding !== undefined) throw lasting('The model server coded its answer, which a job cannot hold.')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw lasting('The answer of the model server is no text, which a job cannot hold.')
  }
  try {
    JSON.parse(text)
  } catch {
    return JSON.stringify(text)
  }
  // Lines end between values alone, and would end an event that the job is written in.
  return text.replace(/[\r\n]+/g, ' ')
}
