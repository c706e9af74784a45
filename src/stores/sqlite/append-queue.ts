import { Fault } from '../../core/fault.ts'
import { createGroupQueue } from './group-queue.ts'

export interface AppendQueueOptions {
  /** Makes a batch durable. Called again only once it has settled. */
  readonly send: (entries: Uint8Array<ArrayBuffer>) => Promise<unknown>
  /** Entries that wait at most: more are refused at once. */
  readonly entriesMax: number
}

/** Gathers entries while a batch is under way, and sends them all once it is done. */
export interface AppendQueue {
  /** @throws Fault `ledger_unavailable` by rejecting, once for every entry of a batch that failed */
  readonly append: (entry: Uint8Array) => Promise<void>
  /** Resolves once everything that was appended until now has settled. */
  readonly settled: () => Promise<void>
}

/** What one transaction takes at most, so that nobody waits long for others. */
const batchMax = 8_192
const lengthBytes = 4

export function createAppendQueue({ send, entriesMax }: AppendQueueOptions): AppendQueue {
  const queue = createGroupQueue<Uint8Array, void>({
    async send(entries) {
      await send(joinEntries(entries))
      return entries.map(() => ({ value: undefined }))
    },
    weigh: () => 1,
    groupMax: batchMax,
    waitingMax: entriesMax,
    refuse: () => new Fault('ledger_unavailable', `ledger: ${entriesMax} entries are waiting`),
  })
  return { append: queue.add, settled: queue.settled }
}

function joinEntries(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0
  for (const entry of entries) size += lengthBytes + entry.length
  const joined = new Uint8Array(size)
  const view = new DataView(joined.buffer)
  let at = 0
  for (const entry of entries) {
    view.setUint32(at, entry.length, true)
    joined.set(entry, at + lengthBytes)
    at += lengthBytes + entry.length
  }
  return joined
}
