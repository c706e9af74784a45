import type { Scheduler } from '../../../core/scheduler.ts'

export interface CommitPollOptions {
  /** SQLite's `data_version`: another number after another connection has committed. */
  readonly readVersion: () => Promise<number>
  /** Called once for all commits between two polls. */
  readonly onCommit: () => void
  readonly scheduler: Scheduler
}

/** Finds out that another process has committed. Both calls may come again and again. */
export interface CommitPoll {
  readonly start: () => void
  readonly stop: () => void
}

/** How late a watcher hears of another process. SQLite cannot push, and a poll costs tens of microseconds. */
const pollMs = 200

export function createCommitPoll({ readVersion, onCommit, scheduler }: CommitPollOptions): CommitPoll {
  let cancel: (() => void) | undefined

  function start(): void {
    if (cancel !== undefined) return
    let isStopped = false
    let stopTimer = (): void => {}
    let latest: number | undefined
    cancel = () => {
      isStopped = true
      stopTimer()
    }

    async function poll(): Promise<void> {
      // A file that cannot be read is reported by the calls that need it; until then there is no news.
      const version = await readVersion().catch(() => latest)
      if (isStopped) return
      if (latest !== undefined && version !== latest) onCommit()
      latest = version
      stopTimer = scheduler.after(pollMs, () => void poll())
    }

    void poll()
  }

  return {
    start,
    stop() {
      cancel?.()
      cancel = undefined
    },
  }
}
