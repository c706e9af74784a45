import { Fault } from '../core/fault.ts'
import type { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { Clock } from '../core/time.ts'
import type { SecretRecord } from '../keys/key-record.ts'
import { ledgerMeasuresMax } from '../ledger/format/encoding.ts'
import type { LedgerEvent } from '../ledger/format/event.ts'
import type { LedgerEntry } from '../ledger/format/record.ts'
import { type EntryWriter, ledgerFault } from '../ledger/write/entry-writer.ts'
import type { RecordAddress } from '../ledger/write/record-address.ts'
import type { RefusalSummary } from '../ledger/write/refusal-summary.ts'
import type { Costs } from '../limits/costs.ts'
import { noUsage, type Usage } from '../limits/usage.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { Caller } from './caller.ts'
import type { Demand } from './demand.ts'
import type { ExchangeTrace, ToldRequest } from './exchange-trace.ts'
import { recordedId } from './recorded-id.ts'
import type { Scheme } from './scheme.ts'
import type { Verdict } from './verdict.ts'

/** What all records of a guard's exchanges are written with. */
export interface RecordDeps {
  readonly writer: EntryWriter
  readonly refusals: RefusalSummary
  readonly address: RecordAddress
  readonly schemes: readonly Scheme[]
  readonly clock: Clock
  readonly monotonic: Clock
}

/** What all exchanges of a guard share. */
export interface ExchangeDeps {
  /** Undefined where nothing is recorded. */
  readonly records: RecordDeps | undefined
  /** For a record that was not written when no client was left to wait for it. */
  readonly telemetry: Telemetry
}

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

const oneRequest: Costs = { requests: 1 }
const noRequest: Costs = { requests: 0 }
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
  /** The id of the key that asked for a verdict on the one that was presented elsewhere. */
  verifier: string | undefined
  /** When the key that was proven expires, milliseconds since the epoch. */
  expiresAt: number | null = null
  /** Checks that have begun. */
  readonly checks: BegunCheck[] = []
  /** What its record names as its route, where the request is about another one than its own. */
  route: string | undefined
  /** The problem that it was answered with. */
  problem: Refusal | Fault | undefined
  /** Whether its last record is written, or nothing is recorded. */
  isOver: boolean
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
    this.isOver = deps.records === undefined
    this.#method = method
    this.#id = id
    this.#begunAt = deps.records?.monotonic() ?? 0
  }

  /** The id that its answer carries, unless the app gives it another; a random one by default. */
  get id(): string {
    this.#id ??= crypto.randomUUID()
    return this.#id
  }

  /** Whether its last record is still to be written. */
  get isOpen(): boolean {
    return this.#decided !== undefined && !this.isOver
  }

  /** Whose key it was, admitted or refused; null where none was proven. */
  get known(): Caller | null {
    return this.#known
  }

  /** What is known of it that a span may tell. */
  get told(): ToldRequest {
    return { caller: this.#known, code: this.#answeredCode, model: this.model }
  }

  /** What it used, as its record says. */
  get measures(): Costs {
    return this.#measures('request.finished')
  }

  /** Streamed answers have two records, `started` and `finished`, if the request was admitted. */
  get isAdmitted(): boolean {
    return this.#decided === 'request.admitted'
  }

  /** For the guard: what it decided, which the record will say. */
  decide<V extends Verdict<Caller | null>>(verdict: V): V {
    this.#known = verdict.caller ?? null
    if (verdict.admitted) {
      this.#decided = 'request.admitted'
      this.caller = verdict.caller
      if (verdict.usage !== noUsage) this.usage = verdict.usage
    } else {
      this.#decided = 'request.refused'
      this.#code = verdict.refusal.code
    }
    this.trace?.endGuard(this.told, false)
    if (this.#gone !== undefined) this.abort(this.#gone)
    return verdict
  }

  /** For the guard: why it could not decide, which it throws on. */
  fail(thrown: unknown): never {
    this.#decided = 'request.failed'
    this.#code = thrown instanceof Fault ? thrown.code : 'internal'
    this.#known = null
    this.trace?.endGuard(this.told, true)
    if (this.#gone !== undefined) this.abort(this.#gone)
    throw thrown
  }

  /**
   * A whole answer, or the end of one that was started, is about to leave. Undefined: no need to
   * wait.
   */
  answer(answer: Answer): Promise<void> | undefined {
    if (this.#decided === undefined || this.isOver) return undefined
    this.isOver = true
    if (this.#started !== undefined) return this.#write('request.finished', answer)
    return this.#isCounted(this.deps.records as RecordDeps) ? undefined : this.#write(this.#decided, answer)
  }

  /** The first piece of an answer is about to leave. Undefined: no need to wait. */
  start(answer: Answer): Promise<void> | undefined {
    if (!this.isAdmitted) return this.answer(answer)
    if (this.isOver || this.#started !== undefined) return undefined
    this.#started = answer
    return this.#write('request.started', answer)
  }

  /** The end of an answer that was started is about to leave. Undefined: no need to wait. */
  finish(): Promise<void> | undefined {
    return this.#started === undefined ? undefined : this.answer(this.#started)
  }

  /**
   * The client has gone, or the answer broke off: there is no client left to wait for the record.
   */
  abort(known: Answer = nothingKnown): void {
    const { records, telemetry } = this.deps
    if (records === undefined || this.isOver) return
    this.#gone = known
    if (this.#decided === undefined) return
    this.isOver = true
    if (this.#isCounted(records)) return
    const event = this.#started === undefined ? this.#decided : 'request.finished'
    const entry = this.#entryOf(records, event, this.#started ?? known)
    records.writer
      .write({ ...entry, detail: { ...entry.detail, aborted: true } }, this.trace?.context)
      ?.catch((fault: unknown) => telemetry.event('ledger.record_lost', {}, fault))
  }

  /** Whether this refusal is one of so many that it has no record of its own. */
  #isCounted({ refusals }: RecordDeps): boolean {
    if (this.#decided !== 'request.refused') return false
    return !refusals.shouldRecord({
      address: this.head.address,
      code: this.#code ?? '',
      known: this.#known,
    })
  }

  #write(event: LedgerEvent, answer: Answer): Promise<void> | undefined {
    const records = this.deps.records as RecordDeps
    return records.writer
      .write(this.#entryOf(records, event, answer), this.trace?.context)
      ?.catch((thrown: unknown) => this.#giveBack(ledgerFault(thrown)))
  }

  /** What is not recorded is not answered, and so was not used; a job that has it goes on. */
  async #giveBack(fault: Fault): Promise<never> {
    this.isOver = true
    if (this.usage.isDetached) throw fault
    try {
      await this.usage.giveBack()
    } catch {
      // The ledger's fault stopped the answer: it is the one to report.
    }
    throw fault
  }

  get #answeredCode(): string | null {
    return this.#decided === 'request.admitted' ? (this.problem?.code ?? null) : this.#code
  }

  #measures(event: LedgerEvent): Costs {
    if (this.#decided !== 'request.admitted') return noRequest
    if (event === 'request.started') return {}
    if (!this.isBillable) return withoutRequests(this.usage.used)
    if (this.usage === noUsage) return oneRequest
    const used = { requests: 1, ...this.usage.used }
    return asRecorded(used)
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
      code: this.#answeredCode,
      keyId: this.#known?.keyId ?? null,
      owner: this.#known?.owner ?? null,
      // Made by a program and not read from a wire, it can be any text.
      method: method !== undefined && methodPattern.test(method) ? method : null,
      route: this.route ?? route,
      status,
      latencyUs: Math.max(0, Math.round((monotonic() - this.#begunAt) * 1_000)),
      measures: this.#measures(event),
      address: address.ofOne(head.address),
      detail: detailOf(this),
    }
  }
}

function detailOf({ model, verifier }: Exchange): LedgerEntry['detail'] {
  if (verifier === undefined) return model === undefined ? null : { model }
  return model === undefined ? { verifier } : { model, verifier }
}

function asRecorded(used: Costs): Costs {
  const names = Object.keys(used)
  return names.length <= ledgerMeasuresMax
    ? used
    : Object.fromEntries(Object.entries(used).slice(0, ledgerMeasuresMax))
}

/** No customer is charged for an operational request: its record names none. */
function withoutRequests({ requests: _, ...rest }: Costs): Costs {
  return asRecorded(rest)
}

const methodPattern = /^[A-Z][A-Z-]{0,19}$/

// Of the process, not of this module: a bundle may hold it twice, and a ward that one of them made
// may be guarded with by the other.
const exchangeKey: unique symbol = Symbol.for('modelward.exchange')

/** Where an exchange hangs at the object that stands for its request. */
interface RequestObject {
  [exchangeKey]?: Exchange | undefined
}

/**
 * Exchanges at objects that take no property, once there is one. Asking a `WeakMap` for each
 * request would cost more than the guard.
 */
let elsewhere: WeakMap<object, Exchange> | undefined

/** The exchange of one guard at a request; without `deps`, that of the guard that saw it last. */
export function findExchange(request: object, deps?: ExchangeDeps): Exchange | undefined {
  let exchange = (request as RequestObject)[exchangeKey] ?? elsewhere?.get(request)
  while (exchange !== undefined && deps !== undefined && exchange.deps !== deps) exchange = exchange.next
  return exchange
}

export function detachExchange(request: object, deps: ExchangeDeps): void {
  const first = findExchange(request)
  if (first === undefined) return
  if (first.deps === deps) attachExchange(request, first.next)
  for (let exchange: Exchange | undefined = first; exchange !== undefined; exchange = exchange.next)
    if (exchange.next?.deps === deps) exchange.next = exchange.next.next
}

export function attachExchange(request: object, exchange: Exchange | undefined): void {
  try {
    const holder: RequestObject = request
    holder[exchangeKey] = exchange
  } catch {
    elsewhere ??= new WeakMap()
    if (exchange === undefined) elsewhere.delete(request)
    else elsewhere.set(request, exchange)
  }
}

/** Notes the problem that a request is answered with, at every exchange of it. */
export function noteProblem(request: object, problem: Refusal | Fault): void {
  for (let exchange = findExchange(request); exchange !== undefined; exchange = exchange.next)
    exchange.problem = problem
}
