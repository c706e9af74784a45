import { addressGroupOf } from '../../core/address-group.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { type LedgerEntry, ledgerEntry } from '../format/record.ts'

/** How many requests without a known key get a record each, by address and minute. */
const recordedMax = 5
/**
 * Most addresses that a minute distinguishes: some 4 MiB. All others count as one, without address.
 */
const addressesMax = 8_192
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
 * Keeps an attacker with wrong keys from filling the disk. Of refused requests without a known key,
 * each address gets a few records a minute, and the rest are counted. Counts are in memory until
 * the minute is over: a process that is killed loses them.
 */
export class RefusalSummary {
  readonly #options: RefusalSummaryOptions
  #senders = new Map<string, Sender>()
  #beganAt = 0
  #cancelTimer: () => void = () => {}
  #flushing: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: RefusalSummaryOptions) {
    this.#options = options
  }

  /** Whether this request gets a record of its own; if not, it has been counted. */
  shouldRecord(address: string | undefined, code: string): boolean {
    this.#begin()
    const sender = this.#senderOf(address)
    if (sender.recorded < recordedMax) {
      sender.recorded += 1
      return true
    }
    addCount(sender, code, { requests: 1, since: this.#options.clock() })
    return false
  }

  /** Writes the counts. A count that cannot be written joins those of the next minute. */
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

  /** Begins a minute with its first request, or with a count that could not be written. */
  #begin(): void {
    const { monotonic, scheduler } = this.#options
    const now = monotonic()
    if (this.#senders.size > 0 && now - this.#beganAt < minuteMs) return
    if (this.#senders.size > 0) void this.flush()
    this.#beganAt = now
    if (this.#isClosed) return
    this.#cancelTimer()
    this.#cancelTimer = scheduler.after(minuteMs, () => void this.flush())
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
    const measures = { refused: count.requests }
    try {
      await write(ledgerEntry({ at: clock(), event: 'requests.summarized', code, address, measures, detail }))
    } catch (fault) {
      telemetry.event('ledger.summary_late', { requests: count.requests }, fault)
      this.#countAgain(address, code, count)
    }
  }

  /** Adds a count that could not be written to the current minute. */
  #countAgain(address: string | null, code: string, count: Count): void {
    this.#begin()
    const known = this.#senders.size < 2 * addressesMax ? address : null
    addCount(this.#senderNamed(`unwritten ${known}`, known, recordedMax), code, count)
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
