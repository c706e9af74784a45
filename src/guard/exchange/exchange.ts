import { Fault } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import type { RequestHead } from '../../core/request-head.ts'
import type { SecretRecord } from '../../keys/record/key-record.ts'
import type { LedgerEvent } from '../../ledger/format/event.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import { ledgerFault } from '../../ledger/write/entry-writer.ts'
import type { Costs } from '../../limits/usage/costs.ts'
import { UncountedUsage } from '../../limits/usage/uncounted-usage.ts'
import { noUsage, type Usage } from '../../limits/usage/usage.ts'
import type { EventOrigin } from '../../telemetry/telemetry.ts'
import { sampledId } from '../../telemetry/trace-context.ts'
import type { Caller } from '../caller.ts'
import type { Demand } from '../demand.ts'
import type { Verdict } from '../verdict.ts'
import { type ExchangeDeps, isFollowed, type RecordDeps } from './exchange-deps.ts'
import type { ExchangeTrace } from './exchange-trace.ts'
import type { OpenReservations } from './open-reservations.ts'
import { recordedId } from './recorded-id.ts'
import { type NameMeasure, recordedMeasures } from './recorded-measures.ts'

/** What an adapter knows of an answer that is about to leave. */
export interface Answer {
  /** HTTP status; null where it is not known, as of an upgrade to another protocol. */
  readonly status: number | null
  /** The route's pattern; null where none is known. */
  readonly route: string | null
  /** The id that the answer carries; not recorded where it does not look like one. */
  readonly requestId: string | undefined
}

/** A check that has begun for a request. */
export interface BegunCheck {
  readonly caller: Caller
  readonly demand: Demand
  readonly running: Promise<void>
}

const noRequest: Costs = { requests: 0 }
const methodPattern = /^[A-Z][A-Z-]{0,19}$/
const nothingKnown: Answer = { status: null, route: null, requestId: undefined }

type Decided = Extract<LedgerEvent, 'request.admitted' | 'request.refused' | 'request.failed'>

/**
 * One request and its answer (RFC 9110 §3.4), from the first guard that sees it until the answer
 * has left. All guards of a request share it. The promises of its records reject with
 * `ledger_unavailable`; what the request took of its limits has been given back by then.
 */
export class Exchange {
  /** Of the guard that opened it. */
  readonly deps: ExchangeDeps
  readonly head: RequestHead
  /** Undefined until a guard has admitted the request; null for an anonymous caller. */
  caller: Caller | null | undefined
  /** The secret that was proven, where a key was: of two live ones, an older one may less. */
  secret: SecretRecord | undefined
  /** What the request has taken of its limits. */
  usage: Usage = noUsage
  /** Whether a customer is charged for it: as the last guard's demand says. */
  isBillable = true
  /** The model that it asks for: as the last demand that names one says. */
  model: string | undefined
  /** What its records say beside the model, such as which upstream answered. */
  detail: LedgerEntry['detail'] = null
  /**
   * Whether what answers it writes its records itself, when it knows what was used: an adapter then
   * leaves it alone.
   */
  isOwned = false
  /** The id of the key that asked for a verdict on the one that was presented elsewhere. */
  verifier: string | undefined
  /** Names what no limit counts, where the names are not the app's own. */
  nameMeasure: NameMeasure | undefined
  /** When the key that was proven expires, milliseconds since the epoch. */
  expiresAt: number | null = null
  /** Checks that have begun. */
  readonly checks: BegunCheck[] = []
  /** The problem that it was answered with. */
  problem: Refusal | Fault | undefined
  /** Whether its answer is known; always where it is neither recorded nor measured. */
  isOver: boolean
  /** Whether another exchange has the record of this request. */
  isRecordedElsewhere = false
  /** What its handler has reserved; undefined where it has reserved nothing. */
  reservations: OpenReservations | undefined
  /** Of another ward that guards the same request. */
  next: Exchange | undefined
  /** Its spans, where it is traced. */
  trace: ExchangeTrace | undefined
  readonly #method: string | undefined
  readonly #begunAt: number
  #id: string | undefined
  #decided: Decided | undefined
  #code: string | null = null
  #known: Caller | null = null
  #started: Answer | undefined
  /** What was known of the answer, where the client had gone before anything was decided. */
  #gone: Answer | undefined

  constructor(deps: ExchangeDeps, head: RequestHead, method: string | undefined, id: string | undefined) {
    this.deps = deps
    this.head = head
    const { measures } = deps.telemetry
    this.isOver = !isFollowed(deps)
    this.#method = method
    this.#id = id
    this.#begunAt = this.isOver ? 0 : deps.monotonic()
    // What is no HTTP request, such as a head that a program made, may never be answered.
    if (method !== undefined) measures.requestBegan()
  }

  /** The id that its answer carries, unless the app gives it another; a random one by default. */
  get id(): string {
    this.#id ??= crypto.randomUUID()
    return this.#id
  }

  /** For events that the request causes. */
  get origin(): EventOrigin {
    return { requestId: this.id, trace: this.trace?.context }
  }

  /** The usage for a handler to measure with: what no limit counts is recorded all the same. */
  openUsage(): Usage {
    if (this.usage === noUsage) this.usage = new UncountedUsage()
    return this.usage
  }

  /** Whether its last record is still to be written. */
  get isOpen(): boolean {
    return this.#decided !== undefined && !this.isOver
  }

  /** Whose key it was, admitted or refused; null where none was proven. */
  get known(): Caller | null {
    return this.#known
  }

  /** Streamed answers have two records, `started` and `finished`, if the request was admitted. */
  get isAdmitted(): boolean {
    return this.#decided === 'request.admitted'
  }

  /** For the guard: what it decided, which the record will say. */
  decide<V extends Verdict<Caller | null>>(verdict: V): V {
    this.#known = verdict.caller ?? null
    this.#measureGuard()
    if (verdict.admitted) {
      this.#decided = 'request.admitted'
      this.caller = verdict.caller
      if (verdict.usage !== noUsage) this.usage = verdict.usage
    } else {
      this.#decided = 'request.refused'
      this.#code = verdict.refusal.code
    }
    this.trace?.endGuard(this, false)
    if (this.#gone !== undefined) this.abort(this.#gone)
    return verdict
  }

  /** For the guard: why it could not decide, which it throws on. */
  fail(thrown: unknown): never {
    this.#measureGuard()
    this.#decided = 'request.failed'
    this.#code = thrown instanceof Fault ? thrown.code : 'internal'
    this.#known = null
    this.trace?.endGuard(this, true)
    if (this.#gone !== undefined) this.abort(this.#gone)
    throw thrown
  }

  /**
   * A whole answer, or the end of one that was started, is about to leave. Undefined: no need to
   * wait.
   */
  answer(answer: Answer): Promise<void> | undefined {
    // When the client has gone, a framework may still end what it writes: the record waits.
    if (this.#decided === undefined || this.isOver || this.#gone !== undefined) return undefined
    this.reservations?.end()
    this.isOver = true
    if (this.#started !== undefined) return this.#write('request.finished', answer)
    return this.#write(this.#decided, answer)
  }

  /** The first piece of an answer is about to leave. Undefined: no need to wait. */
  start(answer: Answer): Promise<void> | undefined {
    if (!this.isAdmitted) return this.answer(answer)
    if (this.isOver || this.#started !== undefined || this.#gone !== undefined) return undefined
    this.#started = answer
    return this.#write('request.started', answer)
  }

  /** The end of an answer that was started is about to leave. Undefined: no need to wait. */
  finish(): Promise<void> | undefined {
    return this.#started === undefined ? undefined : this.answer(this.#started)
  }

  /** Records the end of an answer that has ended already, where that could not be recorded then. */
  recordLate(): Promise<void> | undefined {
    const { records } = this.deps
    if (records === undefined || this.#started === undefined) return undefined
    const entry = this.#entryOf(records, 'request.finished', this.#started)
    return records.writer.write({ ...entry, detail: { ...entry.detail, late: true } }, this.trace?.context)
  }

  /**
   * The client has gone, or the answer broke off: there is no client left to wait for the record.
   * It is written once what the handler has reserved is settled, so that it says what was used.
   */
  abort(known: Answer = nothingKnown): void {
    const { records, telemetry } = this.deps
    if (this.isOver) return
    this.#gone = known
    if (this.#decided === undefined) return
    if (this.reservations?.waitForSettling(() => this.abort(known)) === true) return
    this.isOver = true
    const event = this.#started === undefined ? this.#decided : 'request.finished'
    this.#measure(this.#started ?? known, this.measures(event))
    if (records === undefined || !this.#hasRecord(records)) return
    const entry = this.#entryOf(records, event, this.#started ?? known)
    records.writer
      .write({ ...entry, detail: { ...entry.detail, aborted: true } }, this.trace?.context)
      ?.catch((fault: unknown) => telemetry.event('ledger.record_lost', {}, fault, this.origin))
  }

  /** Not where another has it, nor of a refusal that is one of so many that they are counted. */
  #hasRecord({ refusals }: RecordDeps): boolean {
    if (this.isRecordedElsewhere) return false
    if (this.#decided !== 'request.refused') return true
    return refusals.shouldRecord({
      address: this.head.address,
      code: this.#code ?? '',
      known: this.#known,
    })
  }

  /** Writes a record, and measures an answer that may leave now, or the fault in its place. */
  #write(event: LedgerEvent, answer: Answer): Promise<void> | undefined {
    const { records } = this.deps
    const entry = records && this.#hasRecord(records) ? this.#entryOf(records, event, answer) : undefined
    const writing = entry && records?.writer.write(entry, this.trace?.context)
    const measure = (): void => {
      if (event !== 'request.started') this.#measure(answer, entry?.measures ?? this.measures(event))
    }
    if (writing === undefined) {
      measure()
      return undefined
    }
    return writing.then(measure, (thrown: unknown) => this.#giveBack(ledgerFault(thrown), event, answer))
  }

  /**
   * What is not recorded is not answered, and so was not used; a job that has it goes on. Of an
   * answer that had begun the client has what was used.
   */
  async #giveBack(fault: Fault, event: LedgerEvent, { route, requestId }: Answer): Promise<never> {
    this.isOver = true
    this.reservations?.end()
    this.#measure({ route, status: fault.status, requestId }, {}, fault.code)
    if (this.usage.isDetached || event === 'request.finished') throw fault
    try {
      await this.usage.giveBack()
    } catch {
      // The ledger's fault stopped the answer: it is the one to report.
    }
    throw fault
  }

  #measureGuard(): void {
    const { deps } = this
    const { measures } = deps.telemetry
    if (measures.isOn && this.#decided === undefined) measures.guard(deps.monotonic() - this.#begunAt)
  }

  #measure({ route, status }: Answer, used: Costs, code = this.code): void {
    const { monotonic, telemetry } = this.deps
    const { measures } = telemetry
    if (!measures.isOn) return
    const method = this.#method ?? null
    // A verdict on a key for another program is no request of its own.
    if (this.verifier === undefined) {
      const ms = monotonic() - this.#begunAt
      measures.request({ route, method, status, code, ms, traceId: sampledId(this.trace?.context) })
    }
    if (this.#method !== undefined) measures.requestEnded()
    for (const measure in used) measures.used(measure, this.model, used[measure] as number)
  }

  /** Why it was refused or failed, or what its answer says; null where all is well. */
  get code(): string | null {
    return this.isAdmitted ? (this.problem?.code ?? null) : this.#code
  }

  /** What it used, as its record says. */
  measures(event: LedgerEvent = 'request.finished'): Costs {
    if (this.#decided !== 'request.admitted') return noRequest
    if (event === 'request.started') return {}
    return recordedMeasures(this.usage, this.isBillable, this.nameMeasure)
  }

  #entryOf(
    { clock, monotonic, address, schemes }: RecordDeps,
    event: LedgerEvent,
    { status, route, requestId }: Answer,
  ): LedgerEntry {
    const { head } = this
    const method = this.#method
    return {
      at: clock(),
      event,
      requestId: recordedId(requestId, schemes, head),
      clientRequestId: recordedId(head.headerValues('x-request-id')[0], schemes, head),
      code: this.code,
      keyId: this.#known?.keyId ?? null,
      owner: this.#known?.owner ?? null,
      // Made by a program and not read from a wire, it can be any text.
      method: method !== undefined && methodPattern.test(method) ? method : null,
      route,
      status,
      latencyUs: Math.max(0, Math.round((monotonic() - this.#begunAt) * 1_000)),
      measures: this.measures(event),
      address: address.ofOne(head.address),
      detail: detailOf(this),
    }
  }
}

function detailOf({ model, verifier, detail }: Exchange): LedgerEntry['detail'] {
  if (verifier === undefined && detail === null) return model === undefined ? null : { model }
  return { ...(model !== undefined && { model }), ...(verifier !== undefined && { verifier }), ...detail }
}
