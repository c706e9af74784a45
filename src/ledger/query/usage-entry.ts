import { VarintReader } from '../format/encoding.ts'
import { EntryView, type ViewedText } from '../format/entry-view.ts'
import { ledgerEventOf } from '../format/event.ts'
import type { LedgerEntry } from '../format/record.ts'

/** What usage is summed up from: the entry of a request, or of several. */
export interface UsageEntry
  extends Pick<LedgerEntry, 'at' | 'event' | 'code' | 'keyId' | 'owner' | 'route' | 'latencyUs'> {
  /** `detail.model`. */
  readonly model: string | null
  readonly measures: readonly (readonly [name: string, amount: number])[]
}

/** What an entry means for usage; undefined for one that is of no request. */
export function usageEntryOf(entry: LedgerEntry): UsageEntry | undefined {
  if (!isOfUsage(entry.event)) return undefined
  return { ...entry, model: modelOf(entry.detail), measures: Object.entries(entry.measures) }
}

function isOfUsage(event: LedgerEntry['event']): boolean {
  return event.startsWith('request.') || event === 'requests.summarized'
}

function modelOf(detail: unknown): string | null {
  const model = (detail as { readonly model?: unknown } | null)?.model
  return typeof model === 'string' ? model : null
}

/** What was read last of one kind, and from which bytes: consecutive entries are often alike. */
interface Last<T = string | null> {
  readonly bytes: Buffer
  readonly text: T
}

const measuresRemembered = 8

const nothing: Last = { bytes: Buffer.alloc(0), text: null }

/** Reads of encoded entries what usage needs: a third of the work of decoding them whole. */
export class UsageEntryReader {
  readonly #view = new EntryView()
  readonly #varint = new VarintReader()
  readonly #lasts: Partial<Record<ViewedText, Last>> = {}
  /** By their place in the entry. */
  readonly #lastMeasures: Last<string>[] = []
  #lastDetail = nothing
  #body: Buffer = nothing.bytes
  #end = 0
  #at = 0

  /**
   * The entry from `start` to `end` of a body; undefined for one that is of no request.
   *
   * @throws RangeError for bytes that are no entry
   */
  read(body: Buffer, start: number, end: number): UsageEntry | undefined {
    const event = ledgerEventOf(body[start + 1] ?? 0)
    if (event === undefined) throw new RangeError('ledger: an event that is not known here')
    if (!isOfUsage(event)) return undefined
    const view = this.#view
    view.read(body, start)
    this.#body = body
    this.#end = end
    this.#at = view.end
    this.#number() // The status.
    const latency = this.#number()
    const measures: [string, number][] = []
    const count = this.#number()
    for (let place = 0; place < count; place += 1) measures.push([this.#measure(place), this.#number()])
    this.#skip() // The address.
    return {
      at: view.at,
      event,
      code: this.#text('code'),
      keyId: this.#text('keyId'),
      owner: this.#text('owner'),
      route: this.#text('route'),
      model: this.#model(),
      latencyUs: latency === 0 ? null : latency - 1,
      measures,
    }
  }

  #number(): number {
    const value = this.#varint.read(this.#body, this.#at, this.#end)
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER))
      throw new RangeError('ledger: an entry ends too early')
    this.#at = this.#varint.at
    return value
  }

  /** Goes behind the text that comes next, or one that is null; gives where its bytes begin. */
  #skip(): number {
    const length = Math.max(0, this.#number() - 1)
    const start = this.#at
    this.#at += length
    if (this.#at > this.#end) throw new RangeError('ledger: an entry ends too early')
    return start
  }

  /** Whether bytes are those from `start` up to where the reader is, without an object for them. */
  #isSince(start: number, bytes: Buffer): boolean {
    if (this.#at - start !== bytes.length) return false
    for (let index = 0; index < bytes.length; index += 1)
      if (this.#body[start + index] !== bytes[index]) return false
    return true
  }

  /** Copied: the body is not held for it. */
  #copySince(start: number): Buffer {
    return Buffer.from(this.#body.subarray(start, this.#at))
  }

  #measure(place: number): string {
    const start = this.#skip()
    const last = this.#lastMeasures[place]
    if (last !== undefined && this.#isSince(start, last.bytes)) return last.text
    const bytes = this.#copySince(start)
    const text = bytes.toString()
    if (place < measuresRemembered) this.#lastMeasures[place] = { bytes, text }
    return text
  }

  #text(text: ViewedText): string | null {
    const last = this.#lasts[text]
    if (last !== undefined && this.#view.isText(text, last.bytes)) return last.text
    const value = this.#view.text(text)
    // Copied: the body is not held for it.
    if (value !== null) this.#lasts[text] = { bytes: Buffer.from(value), text: value }
    return value
  }

  #model(): string | null {
    const start = this.#skip()
    if (this.#at === start) return null
    if (!this.#isSince(start, this.#lastDetail.bytes)) {
      const bytes = this.#copySince(start)
      this.#lastDetail = { bytes, text: modelOf(parse(bytes)) }
    }
    return this.#lastDetail.text
  }
}

function parse(detail: Buffer): unknown {
  try {
    return JSON.parse(detail.toString())
  } catch {
    throw new RangeError('ledger: a detail that is not JSON')
  }
}
