import { Fault } from '../core/fault.ts'
import type { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { Clock } from '../core/time.ts'
import { ledgerMeasuresMax } from '../ledger/format/encoding.ts'
import type { LedgerEvent } from '../ledger/format/event.ts'
import type { LedgerEntry } from '../ledger/format/record.ts'
import { type EntryWriter, ledgerFault } from '../ledger/write/entry-writer.ts'
import type { RecordAddress } from '../ledger/write/record-address.ts'
import type { Flood } from '../ledger/write/refusal-summary.ts'
import type { Costs } from '../limits/costs.ts'
import { isHandedOver } from '../limits/end-usage.ts'
import type { TakenUsage } from '../limits/take-limits.ts'
import { noUsage, type Usage } from '../limits/usage.ts'
import type { Caller } from './caller.ts'
import type { BegunCheck } from './decide.ts'
import { recordedId, recordedMethod } from './recorded-id.ts'
import type { Scheme } from './scheme.ts'
import type { Verdict } from './verdict.ts'

/** What all recordings of a gate share. */
export interface RecordingParts {
  readonly writer: EntryWriter
  readonly flood: Flood
  readonly address: RecordAddress
  readonly schemes: readonly Scheme[]
  readonly clock: Clock
  readonly monotonic: Clock
}

/** What an adapter knows of an answer that is about to leave. */
export interface LeavingAnswer {
  /** HTTP status; null where nobody can know it yet, as of an upgrade to another protocol. */
  readonly status: number | null
  /** Code of the problem it is; null where it is none. */
  readonly code: string | null
  /** The route's pattern; null where none is known. */
  readonly route: string | null
  /** The request's id that the answer bears; whatever does not look like one is not recorded. */
  readonly requestId: string | undefined
}

const oneRequest: Costs = { requests: 1 }
const nothingKnown: LeavingAnswer = { status: null, code: null, route: null, requestId: undefined }

type Decided = Extract<LedgerEvent, 'request.admitted' | 'request.refused' | 'request.failed'>

/**
 * One request, from the guard's first look at it until its answer has left: what was decided, who calls, what was taken of limits, and its record.
 * All guards of a request share it. Its promises reject with `ledger_unavailable`; what the request took has been given back then.
 */
export class Exchange {
  readonly head: RequestHead
  /** Undefined until somebody was admitted; null for an anonymous caller. */
  caller: Caller | null | undefined
  usage: Usage = noUsage
  /** What was counted, where any limit was. */
  taken: TakenUsage | undefined
  /** Checks that have begun. */
  readonly checks: BegunCheck[] = []
  /** What it was answered with, where that is a problem. */
  problem: Refusal | Fault | undefined
  readonly #parts: RecordingParts | undefined
  readonly #method: string | undefined
  readonly #begun: number
  #decided: Decided | undefined
  #code: string | null = null
  #known: Caller | null = null
  #started: LeavingAnswer | undefined
  #isOver = false

  /** @param parts undefined where nothing is recorded */
  constructor(parts: RecordingParts | undefined, head: RequestHead, method: string | undefined) {
    this.#parts = parts
    this.head = head
    this.#method = method
    this.#begun = parts?.monotonic() ?? 0
  }

  /** Whether its last record is still to be written. */
  get isOpen(): boolean {
    return this.#parts !== undefined && this.#decided !== undefined && !this.#isOver
  }

  /** Whether an answer in pieces is told of twice, before its first piece and before its end; one that nobody was let in for is not. */
  get isInPieces(): boolean {
    return this.#decided === 'request.admitted'
  }

  decide(verdict: Verdict<Caller | null>): void {
    this.#known = verdict.caller ?? null
    if (verdict.admitted) {
      this.#decided = 'request.admitted'
      this.caller = verdict.caller
      if (verdict.usage !== noUsage) this.usage = verdict.usage
      return
    }
    this.#decided = 'request.refused'
    this.#code = verdict.refusal.code
  }

  /** The guard could not decide. */
  fail(thrown: unknown): void {
    this.#decided = 'request.failed'
    this.#code = thrown instanceof Fault ? thrown.code : 'internal'
    this.#known = null
  }

  /** The whole answer is about to leave, or the end of one that was told of before. Undefined: nobody has to wait. */
  answer(answer: LeavingAnswer): Promise<void> | undefined {
    if (!this.isOpen) return undefined
    this.#isOver = true
    if (this.#started !== undefined) return this.#write('request.finished', answer, this.#measures())
    if (this.#decided === undefined) return undefined
    if (this.#decided === 'request.admitted') return this.#write(this.#decided, answer, this.#measures())
    const { address } = this.head
    const isCounted = this.#decided === 'request.refused' && this.#known === null
    if (isCounted && this.#parts?.flood.take(address, this.#code ?? '') === false) return undefined
    return this.#write(this.#decided, answer, {})
  }

  /** The first piece of an answer is about to leave. */
  start(answer: LeavingAnswer): Promise<void> | undefined {
    if (!this.isInPieces) return this.answer(answer)
    if (!this.isOpen || this.#started !== undefined) return undefined
    this.#started = answer
    return this.#write('request.started', answer, {})
  }

  /** The end of an answer that was started is about to leave. */
  finish(): Promise<void> | undefined {
    return this.#started === undefined ? undefined : this.answer(this.#started)
  }

  /** The client has gone, or the answer broke off: nobody is left to wait for the record. */
  abort(onFault: (fault: unknown) => void, known: LeavingAnswer = nothingKnown): void {
    if (!this.isOpen || this.#decided === undefined) return
    this.#isOver = true
    const isStarted = this.#started !== undefined
    const parts = this.#parts
    if (parts === undefined) return
    const entry = this.#entryOf(
      parts,
      isStarted ? 'request.finished' : this.#decided,
      this.#started ?? known,
      this.isInPieces ? this.#measures() : {},
    )
    parts.writer.write({ ...entry, detail: { aborted: true } })?.catch(onFault)
  }

  #write(event: LedgerEvent, answer: LeavingAnswer, measures: Costs): Promise<void> | undefined {
    const parts = this.#parts
    return parts?.writer
      .write(this.#entryOf(parts, event, answer, measures))
      ?.catch((thrown: unknown) => this.#giveBack(ledgerFault(thrown)))
  }

  /** What is not recorded is not answered, and so was not used, unless by a job that goes on. */
  async #giveBack(fault: Fault): Promise<never> {
    this.#isOver = true
    if (isHandedOver(this.usage)) throw fault
    try {
      await this.usage.giveBack()
    } catch {
      // The answer is the same, and the ledger's fault is the one that stopped it.
    }
    throw fault
  }

  #measures(): Costs {
    if (this.usage === noUsage) return oneRequest
    const used = { requests: 1, ...this.usage.used }
    const names = Object.keys(used)
    return names.length <= ledgerMeasuresMax
      ? used
      : Object.fromEntries(Object.entries(used).slice(0, ledgerMeasuresMax))
  }

  #entryOf(
    { clock, monotonic, address, schemes }: RecordingParts,
    event: LedgerEvent,
    { status, code, route, requestId }: LeavingAnswer,
    measures: Costs,
  ): LedgerEntry {
    const head = this.head
    return {
      at: clock(),
      event,
      requestId: recordedId(requestId, schemes, head),
      clientRequestId: recordedId(head.headerValues('x-request-id')[0], schemes, head),
      code: this.#decided === 'request.admitted' ? code : this.#code,
      keyId: this.#known?.keyId ?? null,
      owner: this.#known?.owner ?? null,
      method: recordedMethod(this.#method),
      route,
      status,
      latencyUs: Math.max(0, Math.round((monotonic() - this.#begun) * 1_000)),
      measures,
      address: address.ofOne(head.address),
      detail: null,
    }
  }
}
