import type { Scheduler } from '../../core/scheduler.ts'
import type { EpochStore } from '../../limits/epoch-store.ts'
import { askInfo, type LimiterEpochValue, type ServerInfo } from './epoch.ts'
import type { RedisLine } from './redis-line.ts'

export interface WatchOptions {
  readonly epochs: Pick<EpochStore, 'read'>
  readonly scheduler: Scheduler
  /**
   * Called where the epoch has to be agreed on again: with the value of one that must not go on, or
   * undefined.
   */
  readonly onDoubt: (doubted: string | undefined) => void
}

/** How often the server is asked whether it has evicted keys, and the store which epoch it is. */
const watchMs = 1_000

/** Watches for what no call tells: evicted keys, and that other nodes count in another Redis. */
export function watchEpoch(
  line: RedisLine,
  { epoch, info }: { readonly epoch: LimiterEpochValue; readonly info: ServerInfo },
  { epochs, scheduler, onDoubt }: WatchOptions,
): () => void {
  let isOver = false
  let cancel = scheduler.after(watchMs, () => void look())

  async function look(): Promise<void> {
    try {
      // Where the store cannot be read, what Redis has goes on.
      const [now, row] = await Promise.all([askInfo(line), epochs.read().catch(() => undefined)])
      if (isOver) return
      if (now.evicted > info.evicted) onDoubt(epoch.value)
      else if (row !== undefined && row.epoch !== epoch.id) onDoubt(undefined)
    } catch (error) {
      line.destroy(error)
    }
    if (!isOver) cancel = scheduler.after(watchMs, () => void look())
  }

  return () => {
    isOver = true
    cancel()
  }
}
