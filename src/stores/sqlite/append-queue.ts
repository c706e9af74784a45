import { Fault } from '../../core/fault.ts'

export interface AppendQueueOptions {
  /** Makes a batch durable. Called again only once it has settled. */
  readonly send: (entries: Uint8Array<ArrayBuffer>) => Promise<unknown>
  /** Entries that wait at most: more are refused at once. */
  readonly entriesMax: number
}

/**
 * Gathers entries while a batch is under way, and sends them all once it is done. Nothing waits on purpose: an entry that comes while
 * nothing is under way goes at the end of the event loop's turn.
 */
export interface AppendQueue {
  /** @throws Fault `ledger_unavailable` by rejecting, once for every entry of a batch that failed */
  readonly append: (entry: Uint8Array) => Promise<void>
  /** Resolves once everything that was appended until now has settled. */
  readonly settled: () => Promise<void>
}

interface Waiting {
  readonly entry: Uint8Array
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** What one transaction takes at most, so that nobody waits long for others. */
const batchMax = 8_192
/** How many turns of the event loop are awaited at most: a stream of requests that never pauses must not hold the first of them. */
const turnsMax = 16
const lengthBytes = 4

export function createAppendQueue({ send, entriesMax }: AppendQueueOptions): AppendQueue {
  let gathering: Waiting[] = []
  let running: Promise<void> | undefined

  /**
   * What is on its way goes together: a commit for the first alone would have all the others wait for it, and costs as much as one for
   * all. So as long as a turn of the event loop has brought more, the next is awaited; the first that brings nothing ends it.
   */
  async function turnsThatBringMore(): Promise<void> {
    for (let turn = 0; turn < turnsMax; turn += 1) {
      const { length } = gathering
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (gathering.length === length || length >= batchMax) return
    }
  }

  async function run(): Promise<void> {
    while (gathering.length > 0) {
      await turnsThatBringMore()
      const batch = gathering.length <= batchMax ? gathering : gathering.slice(0, batchMax)
      gathering = batch === gathering ? [] : gathering.slice(batchMax)
      try {
        await send(joinEntries(batch))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running = undefined
  }

  return {
    append(entry) {
      if (gathering.length >= entriesMax)
        return Promise.reject(new Fault('ledger_unavailable', `ledger: ${entriesMax} entries are waiting`))
      return new Promise((resolve, reject) => {
        gathering.push({ entry, resolve, reject })
        running ??= run()
      })
    },
    async settled() {
      await running
    },
  }
}

function joinEntries(batch: readonly Waiting[]): Uint8Array<ArrayBuffer> {
  let size = 0
  for (const { entry } of batch) size += lengthBytes + entry.length
  const joined = new Uint8Array(size)
  const view = new DataView(joined.buffer)
  let at = 0
  for (const { entry } of batch) {
    view.setUint32(at, entry.length, true)
    joined.set(entry, at + lengthBytes)
    at += lengthBytes + entry.length
  }
  return joined
}
