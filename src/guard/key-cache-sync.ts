import type { Clock } from '../core/time.ts'
import type { ChangeCursor, Changes, KeyStore } from '../keys/key-store.ts'
import type { KeyCache } from './key-cache.ts'

/** Listens to a store for changes made by any process or node, and drops what they made stale. */
export interface KeyWatch {
  /** Asks the store once, now. Rejects with its fault; the cache's lease then runs on from the last time it was heard. */
  readonly listen: () => Promise<void>
  readonly hasImportedKeys: () => boolean
  readonly stop: () => void
}

export interface KeyWatchOptions {
  readonly store: Pick<KeyStore, 'readChanges'>
  readonly cache: Pick<KeyCache, 'hear'>
  readonly monotonic: Clock
  /** Time between two questions, in milliseconds; it bounds how long a revoked key goes on. 0: only `listen` asks. */
  readonly intervalMs: number
  /** The store could not be heard. Called once when that begins. */
  readonly onDeaf: (fault: unknown) => void
  /** The store is heard again. */
  readonly onHeard: () => void
}

export function watchKeys(options: KeyWatchOptions): KeyWatch {
  const { store, cache, monotonic, intervalMs, onDeaf, onHeard } = options
  let cursor: ChangeCursor | undefined
  let latest: Changes | undefined
  let isDeaf = false
  let isAsking = false

  async function listen(): Promise<void> {
    // What is heard was true when it was asked, not when the answer came.
    const askedAt = monotonic()
    const changes = await store.readChanges(cursor)
    cursor = changes.cursor
    latest = changes
    cache.hear(askedAt, changes.keyIds)
    if (isDeaf) onHeard()
    isDeaf = false
  }

  async function listenAgain(): Promise<void> {
    if (isAsking) return
    isAsking = true
    try {
      await listen()
    } catch (fault) {
      if (!isDeaf) onDeaf(fault)
      isDeaf = true
    } finally {
      isAsking = false
    }
  }

  const timer = intervalMs > 0 ? setInterval(() => void listenAgain(), intervalMs).unref() : undefined
  return {
    listen,
    hasImportedKeys: () => latest?.hasImportedKeys ?? false,
    stop: () => clearInterval(timer),
  }
}
