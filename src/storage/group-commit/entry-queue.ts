import { Fault } from '../../core/fault.ts'
import { ledgerEntryBytesMax, writeEntry } from '../../ledger/format/encoding.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import { createGroupCommit } from './group-commit.ts'

export interface EntryQueueOptions {
  /**
   * Makes encoded entries durable, each behind its length in four bytes, the lowest first. Called
   * again only once it has settled.
   */
  readonly send: (entries: Uint8Array<ArrayBuffer>) => Promise<unknown>
  /** Most entries that wait: more are refused at once. */
  readonly entriesMax: number
}

/**
 * Ledger entries that share commits, see `GroupCommit`. They are encoded straight into a reused
 * buffer, and all of a commit have one promise: a record has no object of its own.
 */
export interface EntryQueue {
  /**
   * @throws Fault `ledger_unavailable` for every entry of a batch that failed, and after `close`;
   *   TypeError for an entry that cannot be encoded; all by rejecting
   */
  readonly append: (entry: LedgerEntry) => Promise<void>
  /** Takes no more entries. Resolves once those appended so far have settled. */
  readonly close: () => Promise<void>
}

/** Most entries of a transaction, so that none waits long for others. */
const batchMax = 8_192
const lengthBytes = 4
const firstBytes = 64 * 1_024
/** A buffer that outgrew this in a burst is not reused. */
const reusedBytesMax = 1_024 * 1_024

/** Entries that go together. */
class Batch {
  readonly outcome = Promise.withResolvers<void>()
  count = 0
  #bytes: Buffer
  #end = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
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

  /** A copy of the entries, to be transferred. */
  copy(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(0, this.#end))
  }

  /** The buffer for a later batch; undefined if it grew too large. */
  release(): Buffer | undefined {
    return this.#bytes.length <= reusedBytesMax ? this.#bytes : undefined
  }
}

export function createEntryQueue({ send, entriesMax }: EntryQueueOptions): EntryQueue {
  /** Of these only the last still takes entries. */
  let batches: Batch[] = []
  let waiting = 0
  let unused: Buffer | undefined
  let isOpen = true

  async function commitBatch(): Promise<void> {
    const [batch, ...later] = batches
    if (batch === undefined) return
    batches = later
    waiting -= batch.count
    const entries = batch.copy()
    unused = batch.release() ?? unused
    try {
      await send(entries)
      batch.outcome.resolve()
    } catch (error) {
      batch.outcome.reject(error)
    }
  }

  const commits = createGroupCommit({
    waiting: () => waiting,
    commitMax: batchMax,
    commit: commitBatch,
  })

  function beginBatch(): Batch {
    const batch = new Batch(unused ?? Buffer.allocUnsafeSlow(firstBytes))
    unused = undefined
    batches.push(batch)
    return batch
  }

  return {
    append(entry) {
      if (!isOpen) return Promise.reject(new Fault('ledger_unavailable', 'ledger: it is closed'))
      if (waiting >= entriesMax)
        return Promise.reject(new Fault('ledger_unavailable', `ledger: ${entriesMax} entries are waiting`))
      const last = batches.at(-1)
      const batch = last !== undefined && last.count < batchMax ? last : beginBatch()
      try {
        batch.add(entry)
      } catch (thrown) {
        return Promise.reject(thrown)
      }
      waiting += 1
      commits.begin()
      return batch.outcome.promise
    },
    close() {
      isOpen = false
      return commits.settled()
    },
  }
}
