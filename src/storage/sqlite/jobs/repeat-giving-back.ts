import type { Scheduler } from '../../../core/scheduler.ts'

/** Gives unused space back as long as it runs. Both calls may come again and again. */
export interface GivingBack {
  readonly start: () => void
  readonly stop: () => void
}

/** Each turn is short, because commits wait for it. */
const intervalMs = 1_000

export function repeatGivingBack(giveBack: () => Promise<void>, scheduler: Scheduler): GivingBack {
  let cancel: (() => void) | undefined

  function start(): void {
    if (cancel !== undefined) return
    let isStopped = false
    let stopTimer = plan()
    function plan(): () => void {
      return scheduler.after(intervalMs, () => {
        // Why the file cannot be written is told by the calls that need it; the next turn goes on.
        void giveBack()
          .catch(() => undefined)
          .then(() => {
            if (!isStopped) stopTimer = plan()
          })
      })
    }
    cancel = () => {
      isStopped = true
      stopTimer()
    }
  }

  return {
    start,
    stop() {
      cancel?.()
      cancel = undefined
    },
  }
}
