import { Fault } from '../../core/fault.ts'
import { ledgerEntryBytesMax, writeEntry } from '../../ledger/format/encoding.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import { turnsOfAnswers, turnsThatBringMore } from './event-loop-turns.ts'

export interface AppendQueueOptions {
  /** Makes a batch durable: encoded entries, each behind its length in four bytes. Called again only once it has settled. */
  readonly send: (entries: Uint8Array<ArrayBuffer>) => Promise<unknown>
  /** Entries that wait at most: more are refused at once. */
  readonly entriesMax: number
}

/**
 * Gathers entries while a batch is under way, and sends them all once it is done. Nothing waits on purpose: an entry that comes while
 * nothing is under way goes at the end of the event loop's turn.
 */
export interface AppendQueue {
  /**
   * What goes together has one promise, so that a record costs no promise of its own.
   *
   * @throws Fault `ledger_unavailable` by rejecting, for every entry of a batch that failed; TypeError for what cannot be encoded
   */
  readonly append: (entry: LedgerEntry) => Promise<void>
  /** Resolves once everything that was appended until now has settled. */
  readonly settled: () => Promise<void>
}

/** What one transaction takes at most, so that nobody waits long for others. */
const batchMax = 8_192
const lengthBytes = 4
const firstBytes = 64 * 1_024
/** A buffer that grew beyond this in a rush is not kept for the next. */
const spareBytesMax = 1_024 * 1_024

/** Entries that go together. */
class Batch {
  readonly #outcome = Promise.withResolvers<void>()
  #bytes: Buffer
  #end = 0
  count = 0

  /** @param bytes what it gathers in until that is too small */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isDurable(): Promise<void> {
    return this.#outcome.promise
  }

  add(entry: LedgerEntry): void {
    const start = this.#end + lengthBytes
    if (start + ledgerEntryBytesMax > this.#bytes.length) this.#grow()
    const end = writeEntry(entry, this.#bytes, start)
    this.#bytes.writeUInt32LE(end - start, this.#end)
    this.#end = end
    this.count += 1
  }

  #grow(): void {
    const more = Buffer.allocUnsafeSlow(2 * this.#bytes.length)
    this.#bytes.copy(more, 0, 0, this.#end)
    this.#bytes = more
  }

  /** The bytes to send, which are another's from then on, and what they were gathered in, for the next batch. */
  take(): { readonly entries: Uint8Array<ArrayBuffer>; readonly spare: Buffer } {
    return { entries: new Uint8Array(this.#bytes.subarray(0, this.#end)), spare: this.#bytes }
  }

  async settle(sent: Promise<unknown>): Promise<void> {
    try {
      await sent
      this.#outcome.resolve()
    } catch (error) {
      this.#outcome.reject(error)
    }
  }
}

export function createAppendQueue({ send, entriesMax }: AppendQueueOptions): AppendQueue {
  /** Of these only the last still takes entries. */
  let batches: Batch[] = []
  let waiting = 0
  let spare: Buffer | undefined
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (waiting > 0) {
      await turnsThatBringMore(
        () => waiting,
        () => waiting >= batchMax,
      )
      const [batch, ...later] = batches
      if (batch === undefined) break
      batches = later
      waiting -= batch.count
      const taken = batch.take()
      if (taken.spare.length <= spareBytesMax) spare = taken.spare
      await batch.settle(send(taken.entries))
      await turnsOfAnswers()
    }
    running = undefined
  }

  function lastBatch(): Batch {
    const last = batches.at(-1)
    if (last !== undefined && last.count < batchMax) return last
    const batch = new Batch(spare ?? Buffer.allocUnsafeSlow(firstBytes))
    spare = undefined
    batches.push(batch)
    return batch
  }

  return {
    append(entry) {
      if (waiting >= entriesMax)
        return Promise.reject(new Fault('ledger_unavailable', `ledger: ${entriesMax} entries are waiting`))
      try {
        const batch = lastBatch()
        batch.add(entry)
        waiting += 1
        running ??= run()
        return batch.isDurable
      } catch (thrown) {
        return Promise.reject(thrown)
      }
    },
    async settled() {
      await running
    },
  }
}
