import { Fault } from '../../core/fault.ts'
import type { Clock } from '../../core/time.ts'
import { ledgerEntryBytesMax, writeEntry } from '../../ledger/format/encoding.ts'
import type { LedgerEntry } from '../../ledger/format/record.ts'
import { type Measures, noMeasures } from '../../telemetry/measures.ts'
import { createGroupCommit } from './group-commit.ts'

export interface EntryQueueOptions {
  /**
   * Makes encoded entries durable, each behind its length in four bytes, the lowest first. Called
   * again only once it has settled.
   *
   * @param since when the first of them came, by `monotonic`
   */
  readonly send: (entries: Uint8Array<ArrayBuffer>, count: number, since: number) => Promise<unknown>
  /** Most entries that wait: more are refused at once. */
  readonly entriesMax: number
  /** Bytes from which on no more entries join a commit. @default none */
  readonly commitBytesMax?: number
  /** Milliseconds, never jumps. @default performance.now */
  readonly monotonic?: Clock
  /** @default none */
  readonly measures?: Measures | undefined
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
  /** How many entries wait for their commit, those of the one under way among them. */
  readonly pending: () => number
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
interface Batch {
  readonly outcome: PromiseWithResolvers<void>
  /** When the first of them came. */
  since: number
  bytes: Buffer
  end: number
  count: number
}

export function createEntryQueue({
  send,
  entriesMax,
  commitBytesMax = Number.POSITIVE_INFINITY,
  monotonic = () => performance.now(),
  measures = noMeasures,
}: EntryQueueOptions): EntryQueue {
  /** Of these only the last still takes entries. */
  let batches: Batch[] = []
  let waiting = 0
  let underWay = 0
  let unused: Buffer | undefined
  let isOpen = true

  function beginBatch(): Batch {
    const bytes = unused ?? Buffer.allocUnsafeSlow(firstBytes)
    unused = undefined
    const outcome = Promise.withResolvers<void>()
    const batch = { outcome, since: 0, bytes, end: 0, count: 0 }
    batches.push(batch)
    return batch
  }

  async function commitBatch(): Promise<void> {
    const [batch, ...later] = batches
    if (batch === undefined) return
    const { outcome, since, bytes, end, count } = batch
    batches = later
    waiting -= count
    underWay = count
    // A copy, to be transferred.
    const entries = new Uint8Array(bytes.subarray(0, end))
    if (bytes.length <= reusedBytesMax) unused = bytes
    const begunAt = measures.isOn ? monotonic() : 0
    try {
      await send(entries, count, since)
      if (measures.isOn) measures.ledgerCommit(monotonic() - begunAt, count)
      outcome.resolve()
    } catch (error) {
      outcome.reject(error)
    }
    underWay = 0
  }

  const commits = createGroupCommit({
    waiting: () => waiting,
    commitMax: batchMax,
    commit: commitBatch,
  })

  return {
    append(entry) {
      if (!isOpen) return Promise.reject(new Fault('ledger_unavailable', 'ledger: it is closed'))
      if (waiting >= entriesMax)
        return Promise.reject(new Fault('ledger_unavailable', `ledger: ${entriesMax} entries are waiting`))
      const last = batches.at(-1)
      const takesMore = last !== undefined && last.count < batchMax && last.end < commitBytesMax
      const batch = takesMore ? last : beginBatch()
      if (batch.count === 0) batch.since = monotonic()
      try {
        addEntry(batch, entry)
      } catch (thrown) {
        return Promise.reject(thrown)
      }
      waiting += 1
      commits.begin()
      return batch.outcome.promise
    },
    pending: () => waiting + underWay,
    close() {
      isOpen = false
      return commits.settled()
    },
  }
}

function addEntry(batch: Batch, entry: LedgerEntry): void {
  const start = batch.end + lengthBytes
  if (start + ledgerEntryBytesMax > batch.bytes.length) {
    const more = Buffer.allocUnsafeSlow(2 * batch.bytes.length)
    batch.bytes.copy(more, 0, 0, batch.end)
    batch.bytes = more
  }
  const end = writeEntry(entry, batch.bytes, start)
  batch.bytes.writeUInt32LE(end - start, batch.end)
  batch.end = end
  batch.count += 1
}
