import { addressGroupOf } from '../../core/address-group.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { type LedgerEntry, ledgerEntry } from '../format/record.ts'
import { reportFloods } from './refusal-flood.ts'

/** How many refusals a minute get a record each: of a stranger's address, or of a key and code. */
const recordedMax = 5
/**
 * Most addresses that a minute distinguishes: some 4 MiB. All others count as one, without address.
 */
const addressesMax = 8_192
/** Most keys that it counts: each refusal of another has its record, for a key is never guessed. */
const keysMax = 8_192
const minuteMs = 60_000

export interface RefusalSummaryOptions {
  readonly write: (entry: LedgerEntry) => Promise<void> | undefined
  /** An address group as it is recorded. */
  readonly formatAddress: (address: string | undefined) => string | null
  readonly clock: Clock
  /** Never jumps: minutes are measured with it. */
  readonly monotonic: Clock
  /** Ends each minute. */
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** A refused request. */
export interface RefusedRequest {
  readonly address: string | undefined
  readonly code: string
  /** Whose key it was; null where no secret was proven. */
  readonly known: { readonly keyId: string; readonly owner: string } | null
}

/** What a summary says of its requests: the address of strangers, or the key. */
type Named = Pick<LedgerEntry, 'address' | 'keyId' | 'owner'>

interface Sender {
  readonly named: Named
  /** A stranger's of all codes; a key's by code, so that a flood of one hides none of another. */
  readonly recorded: Map<string, number>
  readonly counted: Map<string, Count>
}

interface Count {
  requests: number
  /** How many of them are of earlier minutes, and could not be written. */
  late: number
  /** When the first and the last of them came, milliseconds since the epoch. */
  since: number
  until: number
}

interface Counted {
  readonly named: Named
  readonly code: string
  readonly count: Count
}

const allCodes = ''

/**
 * Keeps refused clients from filling the disk: strangers with wrong keys, and holders of a key that
 * is revoked or over its limit. Each gets a few records a minute, and the rest are
 * counted. Counts are in memory until the minute is over: a process that is killed loses them.
 */
export class RefusalSummary {
  readonly #options: RefusalSummaryOptions
  #strangers = new Map<string, Sender>()
  #keys = new Map<string, Sender>()
  #beganAt = 0
  #cancelTimer: () => void = () => {}
  #flushing: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: RefusalSummaryOptions) {
    this.#options = options
  }

  /** Whether this request gets a record of its own; if not, it has been counted. */
  shouldRecord({ address, code, known }: RefusedRequest): boolean {
    this.#begin()
    const sender = known === null ? this.#strangerAt(address) : this.#holderOf(known)
    if (sender === undefined) return true
    const of = known === null ? allCodes : code
    const recorded = sender.recorded.get(of) ?? 0
    if (recorded < recordedMax) {
      sender.recorded.set(of, recorded + 1)
      return true
    }
    const now = this.#options.clock()
    addCount(sender, code, { requests: 1, late: 0, since: now, until: now })
    return false
  }

  /** Writes the counts. A count that cannot be written joins those of the next minute. */
  flush(): Promise<void> {
    this.#cancelTimer()
    const over = [...this.#strangers.values(), ...this.#keys.values()]
    this.#strangers = new Map()
    this.#keys = new Map()
    const counts = over.flatMap(({ named, counted }) =>
      [...counted].map(([code, count]) => ({ named, code, count, requests: count.requests - count.late })),
    )
    reportFloods(counts, this.#options.telemetry)
    this.#flushing = this.#writeAll(this.#flushing, counts)
    return this.#flushing
  }

  /** Flushes for the last time. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.flush()
  }

  /** Begins a minute with its first request, or with a count that could not be written. */
  #begin(): void {
    const { monotonic, scheduler } = this.#options
    const now = monotonic()
    const hasBegun = this.#strangers.size + this.#keys.size > 0
    if (hasBegun && now - this.#beganAt < minuteMs) return
    if (hasBegun) void this.flush()
    this.#beganAt = now
    if (this.#isClosed) return
    this.#cancelTimer()
    this.#cancelTimer = scheduler.after(minuteMs, () => void this.flush())
  }

  #strangerAt(address: string | undefined): Sender {
    const group = addressGroupOf(address)
    const known = this.#strangers.get(group)
    if (known !== undefined) return known
    const isFull = this.#strangers.size >= addressesMax
    const formatted = isFull ? null : this.#options.formatAddress(address)
    return senderIn(this.#strangers, isFull ? '' : group, strangerOf(formatted))
  }

  #holderOf({ keyId, owner }: NonNullable<RefusedRequest['known']>): Sender | undefined {
    const isFull = this.#keys.size >= keysMax && !this.#keys.has(keyId)
    return isFull ? undefined : senderIn(this.#keys, keyId, { address: null, keyId, owner })
  }

  /** However many counts an outage keeps from being written, they are one event. */
  async #writeAll(before: Promise<void>, counts: readonly Counted[]): Promise<void> {
    const faults: unknown[] = []
    let requests = 0
    const writing = counts.map(async ({ named, code, count }) => {
      try {
        await this.#write(named, code, count)
      } catch (fault) {
        faults.push(fault)
        requests += count.requests
        this.#countAgain(named, code, count)
      }
    })
    await Promise.all([before, ...writing])
    if (faults.length > 0) this.#options.telemetry.event('ledger.summary_late', { requests }, faults[0])
  }

  async #write(named: Named, code: string, count: Count): Promise<void> {
    const detail = { since: new Date(count.since).toISOString() }
    const measures = { refused: count.requests }
    // Of the last of them, so that usage knows when the key was used.
    const at = count.until
    await this.#options.write(
      ledgerEntry({ at, event: 'requests.summarized', code, ...named, measures, detail }),
    )
  }

  /** Adds a count that could not be written to the current minute. */
  #countAgain(named: Named, code: string, unwritten: Count): void {
    const count = { ...unwritten, late: unwritten.requests }
    this.#begin()
    const { address, keyId } = named
    // Twice as many keys at most: those of a minute, and these, beyond which none is added.
    if (keyId !== null) addCount(senderIn(this.#keys, keyId, named), code, count)
    else {
      const known = this.#strangers.size < 2 * addressesMax ? address : null
      addCount(senderIn(this.#strangers, `unwritten ${known}`, strangerOf(known)), code, count)
    }
  }
}

function strangerOf(address: string | null): Named {
  return { address, keyId: null, owner: null }
}

function senderIn(senders: Map<string, Sender>, name: string, named: Named): Sender {
  let sender = senders.get(name)
  if (sender === undefined) {
    sender = { named, recorded: new Map(), counted: new Map() }
    senders.set(name, sender)
  }
  return sender
}

function addCount({ counted }: Sender, code: string, added: Count): void {
  const { requests, late, since, until } = added
  const count = counted.get(code)
  if (count === undefined) counted.set(code, { ...added })
  else {
    count.requests += requests
    count.late += late
    count.since = Math.min(count.since, since)
    count.until = Math.max(count.until, until)
  }
}
