import { every, type Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { ChangeCursor, Changes, KeyStore } from '../keys/key-store.ts'
import type { KeyCache } from './key-cache.ts'

/** Polls a store for changes made by any process or node, and drops what they made stale. */
export interface KeyCacheSync {
  /**
   * Polls the store now. Rejects with its fault; the cache's lease then runs on from the last
   * successful poll.
   */
  readonly refresh: () => Promise<void>
  readonly hasImportedKeys: () => boolean
  readonly stop: () => void
}

export interface KeyCacheSyncOptions {
  readonly store: Pick<KeyStore, 'readChanges' | 'onChange'>
  readonly cache: Pick<KeyCache, 'renew'>
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  /**
   * Milliseconds between two polls: the longest that a revoked key still works, unless the store
   * tells of it before.
   */
  readonly intervalMs: number
  /** Called once when polls begin to fail. */
  readonly onSyncFailed: (fault: unknown) => void
  /** Called once when a poll succeeds again. */
  readonly onSynced: () => void
}

export function createKeyCacheSync(options: KeyCacheSyncOptions): KeyCacheSync {
  const { store, cache, monotonic, scheduler, intervalMs, onSyncFailed, onSynced } = options
  let cursor: ChangeCursor | undefined
  let latest: Changes | undefined
  let isFailing = false
  let isPolling = false
  let isHinted = false
  let isStopped = false

  async function refresh(): Promise<void> {
    // The answer was true when the store was asked, not when it arrived.
    const askedAt = monotonic()
    const changes = await store.readChanges(cursor)
    cursor = changes.cursor
    latest = changes
    cache.renew(askedAt, changes.keyIds)
    if (isFailing) onSynced()
    isFailing = false
  }

  async function poll(): Promise<void> {
    if (isPolling) return
    isPolling = true
    do {
      isHinted = false
      await refresh().catch(noteFailure)
      // A change may have come after the store had answered.
    } while (isHinted && !isStopped)
    isPolling = false
  }

  function noteFailure(fault: unknown): void {
    if (!isFailing) onSyncFailed(fault)
    isFailing = true
  }

  function hint(): void {
    isHinted = true
    void poll()
  }

  const stopHints = store.onChange?.(hint)
  const stopPolls = every(scheduler, intervalMs, () => void poll())
  return {
    refresh,
    hasImportedKeys: () => latest?.hasImportedKeys ?? false,
    stop() {
      isStopped = true
      stopPolls()
      stopHints?.()
    },
  }
}
