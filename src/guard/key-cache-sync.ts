import { every, type Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import type { ChangeCursor, Changes, KeyStore } from '../keys/store/key-store.ts'
import type { OutageReport } from '../telemetry/outage-report.ts'
import type { KeyCache } from './key-cache.ts'

/** Polls a store for changes made by any process or node, and drops what they made stale. */
export interface KeyCacheSync {
  /**
   * Polls the store now. Rejects with its fault; the cache's lease then runs on from the last
   * successful poll.
   */
  readonly refresh: () => Promise<void>
  readonly hasImportedKeys: () => boolean
  /** Calls the listener with the ids of changed keys, or `all`. Returns how to stop it. */
  readonly onKeysChanged: (listener: KeysListener) => () => void
  readonly stop: () => void
}

/** Hears which keys have changed. */
export type KeysListener = (keyIds: Changes['keyIds']) => void

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
  /** Is told how each poll ended. */
  readonly outage: Pick<OutageReport, 'failed' | 'passed' | 'stop'>
}

export function createKeyCacheSync(options: KeyCacheSyncOptions): KeyCacheSync {
  const { store, cache, monotonic, scheduler, intervalMs, outage } = options
  let cursor: ChangeCursor | undefined
  let latest: Changes | undefined
  let isPolling = false
  let isHinted = false
  let isStopped = false
  const listeners = new Set<KeysListener>()

  async function refresh(): Promise<void> {
    // The answer was true when the store was asked, not when it arrived.
    const askedAt = monotonic()
    const changes = await store.readChanges(cursor)
    cursor = changes.cursor
    latest = changes
    cache.renew(askedAt, changes.keyIds)
    outage.passed()
    if (changes.keyIds.length > 0) for (const listener of listeners) listener(changes.keyIds)
  }

  async function poll(): Promise<void> {
    if (isPolling) return
    isPolling = true
    do {
      isHinted = false
      await refresh().catch(outage.failed)
      // A change may have come after the store had answered.
    } while (isHinted && !isStopped)
    isPolling = false
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
    onKeysChanged(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stop() {
      isStopped = true
      stopPolls()
      stopHints?.()
      outage.stop()
    },
  }
}
