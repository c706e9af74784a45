import { addressGroupOf } from '../../core/address-group.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { type LedgerEntry, ledgerEntry } from '../format/record.ts'

/** How many requests without a known key get a record each, by address and minute. */
const recordedMax = 5
/** Most addresses that are told apart in a minute: some 4 MiB. All others count as one, of which no address is said. */
const addressesMax = 8_192
const spanMs = 60_000

export interface FloodOptions {
  readonly write: (entry: LedgerEntry) => Promise<void> | undefined
  /** An address as it is recorded, of all that count as one. */
  readonly formatAddress: (address: string | undefined) => string | null
  readonly clock: Clock
  /** Never jumps: minutes are measured with it. */
  readonly monotonic: Clock
  /** Ends each minute. */
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

interface Sender {
  readonly address: string | null
  recorded: number
  readonly counted: Map<string, Count>
}

interface Count {
  requests: number
  /** When the first of them came, milliseconds since the epoch. */
  since: number
}

/**
 * Keeps whoever sends wrong keys from filling the disk: of requests that nobody can name, each address gets a few records a
 * minute, and the others are counted. A count is in memory until the minute is over; a process that is killed before loses it.
 */
export class Flood {
  readonly #options: FloodOptions
  #senders = new Map<string, Sender>()
  #beganAt = 0
  #cancelTimer: () => void = () => {}
  #flushing: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: FloodOptions) {
    this.#options = options
  }

  /** Whether this request gets a record of its own; where not, it has been counted. */
  take(address: string | undefined, code: string): boolean {
    this.#begin()
    const sender = this.#senderOf(address)
    if (sender.recorded < recordedMax) {
      sender.recorded += 1
      return true
    }
    addCount(sender, code, { requests: 1, since: this.#options.clock() })
    return false
  }

  /** Writes what has been counted. What cannot be written is kept for the next time. */
  flush(): Promise<void> {
    this.#cancelTimer()
    const over = [...this.#senders.values()]
    this.#senders = new Map()
    const writing = over.flatMap(({ address, counted }) =>
      [...counted].map(([code, count]) => this.#write(address, code, count)),
    )
    this.#flushing = Promise.all([this.#flushing, ...writing]).then(() => {})
    return this.#flushing
  }

  /** Flushes for the last time. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.flush()
  }

  /** Ends a minute that is over; the first request after it, or a count that could not be written, begins the next. */
  #begin(): void {
    const { monotonic, scheduler } = this.#options
    const now = monotonic()
    if (this.#senders.size > 0 && now - this.#beganAt < spanMs) return
    if (this.#senders.size > 0) void this.flush()
    this.#beganAt = now
    if (this.#isClosed) return
    this.#cancelTimer()
    this.#cancelTimer = scheduler.after(spanMs, () => void this.flush())
  }

  #senderOf(address: string | undefined): Sender {
    const group = addressGroupOf(address)
    const known = this.#senders.get(group)
    if (known !== undefined) return known
    const isFull = this.#senders.size >= addressesMax
    const formatted = isFull ? null : this.#options.formatAddress(address)
    return this.#senderNamed(isFull ? '' : group, formatted, 0)
  }

  #senderNamed(name: string, address: string | null, recorded: number): Sender {
    const sender = this.#senders.get(name) ?? { address, recorded, counted: new Map() }
    this.#senders.set(name, sender)
    return sender
  }

  async #write(address: string | null, code: string, count: Count): Promise<void> {
    const { write, clock, telemetry } = this.#options
    const detail = { since: new Date(count.since).toISOString() }
    const measures = { requests: count.requests }
    try {
      await write(ledgerEntry({ at: clock(), event: 'requests.summarized', code, address, measures, detail }))
    } catch (fault) {
      telemetry.event('ledger.summary_late', { requests: count.requests }, fault)
      this.#keep(address, code, count)
    }
  }

  /** Counts in the minute that is under way what could not be written. */
  #keep(address: string | null, code: string, count: Count): void {
    this.#begin()
    const kept = this.#senders.size < 2 * addressesMax ? address : null
    addCount(this.#senderNamed(`kept ${kept}`, kept, recordedMax), code, count)
  }
}

function addCount({ counted }: Sender, code: string, { requests, since }: Count): void {
  const count = counted.get(code)
  if (count === undefined) counted.set(code, { requests, since })
  else {
    count.requests += requests
    count.since = Math.min(count.since, since)
  }
}
