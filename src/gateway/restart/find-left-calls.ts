import type { LedgerEvent } from '../../ledger/format/event.ts'
import { isCallStart, type LedgerRecord } from '../../ledger/format/record.ts'
import type { LedgerReader, LeftStreams } from '../../ledger/ledger.ts'

const events: readonly LedgerEvent[] = ['request.started', 'request.finished', 'ledger.opened']
const pageMax = 1_000

/**
 * The calls of these streams that have no end, oldest first: the records that they began. Reads the
 * ledger from its newest record back to the longest time, in milliseconds, that a call may have
 * been open before the last record of a stream: however large the ledger is, and however long ago
 * that was.
 *
 * @throws Fault `ledger_unavailable`, by rejecting
 */
export async function findLeftCalls(
  ledger: Pick<LedgerReader, 'query'>,
  { streams, isCleared }: LeftStreams,
  longestMs: number,
): Promise<readonly LedgerRecord[]> {
  const reading = new Reading(new Set(streams.map(({ id }) => id)))
  const windows = isCleared ? streams.slice(-1) : streams
  for (const { id, writtenAt } of windows) {
    await reading.readBack(ledger, writtenAt - longestMs)
    // It had begun to serve, and so had ended before what was left behind it. Otherwise it may have
    // been killed before it came to that.
    if (reading.hasServed(id)) break
  }
  return reading.left.toReversed()
}

/** What is known of calls, from the newest record back. */
class Reading {
  /** Newest first. */
  readonly left: LedgerRecord[] = []
  readonly #streams: ReadonlySet<string>
  /** Calls whose end was seen, and whose start is still to come. */
  readonly #ended = new Set<string>()
  readonly #opened = new Set<string>()
  readonly #serving = new Set<string>()
  #after: string | undefined

  constructor(streams: ReadonlySet<string>) {
    this.#streams = streams
  }

  /** @param since milliseconds since the epoch */
  async readBack(ledger: Pick<LedgerReader, 'query'>, since: number): Promise<void> {
    for (;;) {
      const page = await ledger.query({
        events,
        since,
        limit: pageMax,
        order: 'newest',
        after: this.#after,
      })
      for (const record of page.records) this.#note(record)
      this.#after = page.records.at(-1)?.position ?? this.#after
      if (page.next === undefined) return
    }
  }

  /** A process ends what others left before it listens: one that began no call may not have. */
  hasServed(stream: string): boolean {
    return this.#serving.has(stream) || !this.#opened.has(stream)
  }

  #note(record: LedgerRecord): void {
    const { event, stream, requestId } = record
    if (event === 'ledger.opened') this.#opened.add(stream)
    if (event === 'request.finished' && requestId !== null) this.#ended.add(requestId)
    // Answers in pieces of an app have no reservation, and no upstream that may have gone on.
    if (requestId === null || !isCallStart(record)) return
    this.#serving.add(stream)
    if (!this.#ended.delete(requestId) && this.#streams.has(stream)) this.left.push(record)
  }
}
