import { VarintReader } from '../format/encoding.ts'
import { EntryView, type ViewedText, viewedTexts } from '../format/entry-view.ts'
import { ledgerEventOf } from '../format/event.ts'
import type { LedgerEntry } from '../format/record.ts'
import { TextTable } from '../format/text-table.ts'

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

const nothing = {
  at: 0,
  event: 'request.admitted',
  code: null,
  keyId: null,
  owner: null,
  route: null,
  model: null,
  latencyUs: null,
} as const

/** The kind of a measure's name is its place, behind those of other texts. */
const firstMeasure = 7

/** An entry as its reader gives it, which sets it anew for the next. */
type Reused<T> = { -readonly [Field in keyof T]: T[Field] }

/**
 * Reads of encoded entries what usage needs: a small part of the work of decoding them whole, and
 * nothing new is made for an entry whose texts were met before.
 */
export class UsageEntryReader {
  readonly #view = new EntryView()
  readonly #varint = new VarintReader()
  readonly #texts = new TextTable()
  readonly #measures: [name: string, amount: number][] = []
  readonly #entry: Reused<UsageEntry> = { ...nothing, measures: this.#measures }
  /** Consecutive details are often alike. */
  #lastDetail = Buffer.alloc(0)
  #lastModel: string | null = null
  #body: Buffer = this.#lastDetail
  #end = 0
  #at = 0

  /**
   * The entry from `start` to `end` of a body, up to the next call; undefined for one that is of no
   * request.
   *
   * @throws RangeError for bytes that are no entry
   */
  read(body: Buffer, start: number, end: number): UsageEntry | undefined {
    const event = ledgerEventOf(body[start + 1] ?? 0)
    if (event === undefined) throw new RangeError('ledger: an event that is not known here')
    if (!isOfUsage(event)) return undefined
    const view = this.#view
    const entry = this.#entry
    view.read(body, start)
    this.#body = body
    this.#end = end
    this.#at = view.end
    this.#number() // The status.
    const latency = this.#number()
    this.#readMeasures()
    this.#skip() // The address.
    entry.at = view.at
    entry.event = event
    entry.code = this.#text('code')
    entry.keyId = this.#text('keyId')
    entry.owner = this.#text('owner')
    entry.route = this.#text('route')
    entry.model = this.#model()
    entry.latencyUs = latency === 0 ? null : latency - 1
    return entry
  }

  #readMeasures(): void {
    const measures = this.#measures
    const count = this.#number()
    if (measures.length > count) measures.length = count
    for (let place = 0; place < count; place += 1) {
      const start = this.#skip()
      const name = this.#texts.find(firstMeasure + place, this.#body, start, this.#at)
      const amount = this.#number()
      const measure = measures[place]
      if (measure === undefined) measures.push([name, amount])
      else {
        measure[0] = name
        measure[1] = amount
      }
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

  #text(text: ViewedText): string | null {
    const place = viewedTexts[text]
    const length = this.#view.lengthAt(place)
    if (length < 0) return null
    const start = this.#view.startAt(place)
    return this.#texts.find(place, this.#body, start, start + length)
  }

  #model(): string | null {
    const start = this.#skip()
    if (this.#at === start) return null
    if (!this.#isLastDetail(start)) {
      // Copied: the body is not held for it.
      this.#lastDetail = Buffer.from(this.#body.subarray(start, this.#at))
      this.#lastModel = modelOf(parse(this.#lastDetail))
    }
    return this.#lastModel
  }

  #isLastDetail(start: number): boolean {
    const bytes = this.#lastDetail
    if (this.#at - start !== bytes.length) return false
    for (let index = 0; index < bytes.length; index += 1)
      if (this.#body[start + index] !== bytes[index]) return false
    return true
  }
}

function parse(detail: Buffer): unknown {
  try {
    return JSON.parse(detail.toString())
  } catch {
    throw new RangeError('ledger: a detail that is not JSON')
  }
}
