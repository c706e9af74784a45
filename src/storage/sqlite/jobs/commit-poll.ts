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

/** How late a watcher learns of another process. SQLite cannot push; a poll takes tens of µs. */
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
      // Calls that need the file report why it cannot be read.
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
