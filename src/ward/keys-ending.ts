import type { Clock } from '../core/time.ts'
import type { KeyStore } from '../keys/store/key-store.ts'

export interface KeysEndingOptions {
  readonly store: Pick<KeyStore, 'listKeys'>
  /** Milliseconds since the epoch. */
  readonly clock: Clock
  /** Never jumps. */
  readonly monotonic: Clock
}

const soonMs = 7 * 86_400_000
/** Keys that one count reads: beyond it, there are so many or more. */
const countedMax = 500
/** Between two counts: a list by end costs a fleet's database a look at every key. */
const againMs = 3_600_000
/** After a count that failed. */
const retryMs = 60_000

/**
 * Counts the keys that work and end within seven days; 500 stands for more, and a count may be an
 * hour old. Rejects with the store's fault before the first count.
 */
export function createKeysEnding({ store, clock, monotonic }: KeysEndingOptions): () => Promise<number> {
  let count: Promise<number> | undefined
  let dueAt = Number.NEGATIVE_INFINITY

  async function read(): Promise<number> {
    const now = clock()
    const after = { value: now, id: '' }
    const status = { is: 'active', now } as const
    const query = { status, sort: 'expires_at', descending: false, limit: countedMax, after } as const
    const { keys } = await store.listKeys(query)
    const isEnding = ({ expiresAt }: { readonly expiresAt: number | null }): boolean =>
      expiresAt !== null && expiresAt <= now + soonMs
    return keys.filter(isEnding).length
  }

  return () => {
    if (count !== undefined && monotonic() < dueAt) return count
    dueAt = monotonic() + againMs
    const before = count
    count = read().catch((fault: unknown) => {
      dueAt = monotonic() + retryMs
      if (before === undefined) throw fault
      return before
    })
    return count
  }
}
