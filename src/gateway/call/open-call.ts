import { Fault } from '../../core/fault.ts'
import { classify } from '../../core/problem.ts'
import type { Refusal } from '../../core/refusal.ts'
import { noteProblem } from '../../guard/exchange/attached-exchange.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import { lingerOverBody } from '../../guard/node/lingering-close.ts'
import { releaseUsage } from '../../limits/usage/end-usage.ts'
import { settleWhenBack } from '../../limits/usage/settle-when-back.ts'
import { problemFor } from '../dialects/problem-in.ts'
import type { Destination } from '../directory/model-directory.ts'
import type { PresetRoute } from '../presets/preset.ts'
import type { Upstream } from '../upstreams/upstream.ts'
import type { AnswerSink, BegunAnswer } from './begin-attempt.ts'
import type { CallDeps } from './call-deps.ts'
import type { CallEnd, EndReason } from './call-end.ts'
import { type Charge, type ChargedBy, chargeOfCall, measureCharge } from './charge.ts'
import type { FindingAnswer } from './find-answer.ts'
import { type BegunCall, faultyCallOf } from './incoming-call.ts'
import type { EndableCall } from './open-calls.ts'
import type { PreparedCall } from './prepare-call.ts'
import { type Delivered, nothingDelivered } from './received-answer.ts'

/**
 * A call from its reservation to its settlement. `end` runs once, whatever comes together, and
 * settles before it records; the place among those under way at once is free when it has run.
 */
export class OpenCall implements EndableCall {
  readonly deps: CallDeps
  readonly incoming: BegunCall
  readonly prepared: PreparedCall
  /** What is delivered so far: what reads the answer says it. */
  delivered: () => Delivered = () => nothingDelivered
  /** Ends an answer that has begun to leave, in its dialect and without a proper end. */
  breakOff: ((problem: Refusal | Fault) => void) | undefined
  readonly #begunAt: number
  #keeper: BegunCall['keeper']
  #finding: FindingAnswer | undefined
  #giveBackPlace: (() => void) | undefined
  #answer: BegunAnswer | undefined
  #firstMs: number | undefined
  #isOver = false
  /** Resolves when its end is recorded and nothing of it is held any more. */
  #ended: Promise<void> = Promise.resolve()
  /** The first of two records, from when it is being written. */
  #starting: { readonly written: Promise<void> | undefined } | undefined

  constructor(deps: CallDeps, incoming: BegunCall, prepared: PreparedCall) {
    this.deps = deps
    this.incoming = incoming
    this.prepared = prepared
    this.#keeper = incoming.keeper
    this.#begunAt = deps.monotonic()
    const { exchange, response } = incoming
    exchange.isOwned = true
    exchange.usage.hold()
    // The head is written here, with how limits stood behind the reservation.
    exchange.usage.endStates()
    deps.calls.add(this)
    if (response.closed) this.#leave()
    else response.once('close', this.#leave)
  }

  get exchange(): Exchange {
    return this.incoming.exchange
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get first(): Destination {
    const [first] = this.prepared.to
    if (first === undefined) throw new Fault('internal', 'a model without an upstream was resolved')
    return first
  }

  /** The route as an upstream has it: without the prefix, which is the gateway's own. */
  routeAt({ upstream }: Pick<Destination, 'upstream'>): PresetRoute {
    const { servers } = this.incoming.route
    const server = servers.find((one) => one.upstream.name === upstream.settings.name) ?? servers[0]
    return server.route
  }

  /** A place at the upstream that is asked now, in the place of the one before. */
  readonly takePlace = (upstream: Upstream): boolean => {
    const owner = this.exchange.known?.owner ?? ''
    this.#giveBackPlace?.()
    this.#giveBackPlace = this.deps.places.take(upstream, owner)
    return this.#giveBackPlace !== undefined
  }

  asks(finding: FindingAnswer): void {
    this.#finding = finding
    if (this.#isOver) finding.abort()
  }

  /** An upstream has answered with the first byte. */
  begin(answer: BegunAnswer): void {
    this.#answer = answer
    this.#firstMs = Math.round(this.deps.monotonic() - this.#begunAt)
    if (this.#isOver) answer.attempt.abort()
  }

  /** Nothing of it is kept after all: it ends with its client. */
  stopKeeping(): void {
    if (this.#keeper === undefined) return
    void this.#keeper.release()
    this.#keeper = undefined
    if (this.incoming.response.closed) this.#leave()
  }

  /** Writes the first of two records. Resolves when the first byte may leave; undefined: now. */
  start(status: number): Promise<void> | undefined {
    const { exchange } = this
    exchange.detail = this.#detail({ reserved: this.prepared.bound?.tokens ?? 0 })
    const written = exchange.start(this.#describe(status))
    this.#starting = { written }
    return written
  }

  /** Reads an answer. A fault of ours as it is read ends this call, and no other. */
  read({ read }: BegunAnswer, sink: AnswerSink): void {
    read({
      onPiece: (piece) => this.orEnd(() => sink.onPiece(piece)),
      onEnd: () => this.orEnd(() => sink.onEnd()),
      onError: (error) => this.orEnd(() => sink.onError(error)),
    })
  }

  /** Does a part of its work, of which a fault ends it. */
  orEnd(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      void this.cut({ charge: 'delivered', problem: asFault(thrown) })
    }
  }

  /** It failed before a byte of an answer could leave. */
  fail(thrown: unknown, reason?: EndReason): void {
    const problem = classify(thrown)
    const isAborted = this.incoming.response.closed
    void this.cut({ charge: 'nothing', problem, isAborted, ...(reason && { reason }) })
  }

  revoke(problem: Refusal): void {
    void this.cut({ charge: 'delivered', reason: 'revoked', problem })
  }

  shutDown(): Promise<void> {
    const problem = new Fault('overloaded', 'the server closes')
    return this.cut({ charge: 'delivered', reason: 'shutdown', problem })
  }

  /** Ends an answer that cannot be whole any more. */
  cut(end: CallEnd & { readonly problem: Refusal | Fault }): Promise<void> {
    const { problem } = end
    return this.end(end, (fault) => {
      if (this.breakOff === undefined) {
        this.answerProblem(fault ?? problem)
        return
      }
      if (problem instanceof Fault) this.deps.onFault(faultyCallOf(this.incoming), problem)
      this.breakOff(problem)
    })
  }

  /**
   * The one end of a call: lets go of the upstream, settles, records, and then lets `leave` send
   * what is left. A record that cannot be written is passed to `leave`, and made up for where the
   * client has had its answer. Where the first of two records could not be written, that fault is
   * the answer: what was reserved has been given back with it, and nothing more is recorded. Never
   * rejects: what is thrown on the way ends this call, and no other. What comes later waits for it.
   */
  end(end: CallEnd, leave: (fault?: Fault) => void): Promise<void> {
    if (this.#isOver) return this.#ended
    this.#isOver = true
    this.#ended = this.#endOnce(end, leave)
    return this.#ended
  }

  async #endOnce(end: CallEnd, leave: (fault?: Fault) => void): Promise<void> {
    try {
      this.#finding?.abort()
      this.#answer?.attempt.abort()
      this.#giveBackPlace?.()
      await this.#settleAndRecord(end, leave)
    } catch (thrown) {
      this.#giveUp(thrown)
    } finally {
      await this.#release()
      this.deps.calls.delete(this)
    }
  }

  async #settleAndRecord(end: CallEnd, leave: (fault?: Fault) => void): Promise<void> {
    const { deps, exchange, incoming } = this
    const { usage, origin } = exchange
    const unstarted = await this.#unstarted()
    if (unstarted !== undefined) {
      this.answerProblem(unstarted)
      return
    }
    await this.#keeper?.release()
    const charge = this.#chargeOf(end.charge)
    if (charge !== undefined) await settleWhenBack({ deps, origin }, async () => usage.settle(charge.costs))
    measureCharge(deps.telemetry, this.#upstream, this.prepared.publicName, charge)
    exchange.detail = this.#detail({
      attempts: this.#finding?.attempts() ?? 0,
      usage: charge?.source ?? 'none',
      ...(this.#firstMs !== undefined && { first_ms: this.#firstMs }),
      ...(end.reason !== undefined && { end: end.reason }),
      ...(end.isAborted === true && { aborted: true }),
    })
    if (end.problem !== undefined) {
      noteProblem(incoming.request, end.problem)
      exchange.problem = end.problem
    }
    await this.#record(end, leave)
  }

  /** A fault of ours as it ended: the client sees that its answer is not whole, and no more. */
  #giveUp(thrown: unknown): void {
    const { exchange, incoming, deps } = this
    deps.onFault(faultyCallOf(incoming), asFault(thrown))
    // Records it where that was not done.
    exchange.abort(this.#describe(null))
    incoming.response.destroy()
  }

  /** The fault of the first record, where that could not be written. */
  async #unstarted(): Promise<Fault | undefined> {
    try {
      await this.#starting?.written
      return undefined
    } catch (thrown) {
      return asFault(thrown)
    }
  }

  /** A limiter that is out ends no process. */
  #release(): Promise<void> {
    const { deps, exchange, incoming } = this
    return releaseUsage(exchange.usage, (fault) => deps.onFault(faultyCallOf(incoming), fault))
  }

  async #record(end: CallEnd, leave: (fault?: Fault) => void): Promise<void> {
    const { exchange } = this
    const status = end.problem?.status ?? this.#answer?.status ?? 200
    const answer = this.#describe(end.isAborted === true ? null : status)
    try {
      await (this.#starting === undefined ? exchange.answer(answer) : exchange.finish())
    } catch (thrown) {
      const fault = asFault(thrown)
      if (this.#starting !== undefined) this.#lackEnd(fault)
      else if (end.isAborted === true) this.deps.onFault(faultyCallOf(this.incoming), fault)
      leave(fault)
      return
    }
    leave()
  }

  /** What has begun cannot be answered with the fault: its end is recorded when that can be. */
  #lackEnd(fault: Fault): void {
    const { exchange, deps, incoming } = this
    deps.onFault(faultyCallOf(incoming), fault)
    exchange.problem ??= fault
    exchange.detail = { end: 'ledger', ...exchange.detail }
    // Until the ledger takes it, or the process ends: where it is killed, the next start does.
    const { retries, telemetry } = deps
    retries.add(
      () => exchange.recordLate(),
      fault,
      (lost) => telemetry.event('ledger.record_lost', {}, lost, exchange.origin),
    )
  }

  /** Answers a refusal or a fault in the route's dialect. */
  answerProblem(problem: Refusal | Fault): void {
    const { incoming, prepared, exchange } = this
    const { request, response } = incoming
    if (problem instanceof Fault) this.deps.onFault(faultyCallOf(incoming), problem)
    if (response.closed || response.headersSent) return
    const { status, headers, body } = problemFor(incoming.route.dialect, problem, exchange.id)
    const close = lingerOverBody(request) && { connection: 'close' }
    response
      .writeHead(status, { ...incoming.headers, ...prepared.limitHeaders, ...headers, ...close })
      .end(body)
  }

  readonly #leave = (): void => {
    if (this.#isOver) return
    // Its answer is kept for the repeat that is to come.
    if (this.#keeper !== undefined && this.#finding !== undefined) return
    const hasBegun = this.#answer !== undefined
    const { abandoned } = this.#asked.upstream.settings
    const charge = abandoned === 'reserved' && !this.delivered().said ? 'reserved' : 'delivered'
    const isAsked = (this.#finding?.attempts() ?? 0) > 0
    void this.end(
      { charge: hasBegun || isAsked ? charge : 'nothing', reason: 'client', isAborted: true },
      () => {},
    )
  }

  /** What was asked last, or would have been asked first. */
  get #asked(): Destination {
    const name = this.#finding?.asked()
    return this.prepared.to.find(({ upstream }) => upstream.settings.name === name) ?? this.first
  }

  #chargeOf(by: ChargedBy): Charge | undefined {
    return chargeOfCall(this.deps.ratios, this.prepared, this.delivered(), by)
  }

  get #upstream(): string | undefined {
    return this.#answer?.upstream.settings.name ?? this.#finding?.asked()
  }

  #detail(more: Readonly<Record<string, string | number | boolean>>): Exchange['detail'] {
    const upstream = this.#upstream
    return { ...(upstream !== undefined && { upstream }), ...more }
  }

  #describe(status: number | null): Parameters<Exchange['answer']>[0] {
    return { status, route: this.incoming.pattern, requestId: this.exchange.id }
  }
}

/** Of what is thrown here nothing is a refusal. */
function asFault(thrown: unknown): Fault {
  return classify(thrown) as Fault
}
