import type { Scheduler } from '../../core/scheduler.ts'

/** Longest that a handler may take to settle when its client has gone, in milliseconds. */
const settleMsMax = 60_000

/** Most exchanges that wait for that; beyond it the oldest is recorded as it stands. */
const abandonedMax = 4_096

/**
 * Exchanges whose client has gone and whose handlers have still to settle what they reserved. Their
 * records wait for that, and not for ever: a handler may forget it.
 */
export class AbandonedExchanges {
  readonly #scheduler: Scheduler
  readonly #waiting = new Map<() => void, () => void>()

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** Calls `end` at the latest when the time is over. Returns how to stop waiting. */
  add(end: () => void): () => void {
    const stop = (): void => {
      this.#waiting.get(end)?.()
      this.#waiting.delete(end)
    }
    const [oldest] = this.#waiting.size < abandonedMax ? [] : this.#waiting.keys()
    oldest?.()
    this.#waiting.set(end, this.#scheduler.after(settleMsMax, end))
    return stop
  }

  /** Ends all: to be called before the ledger closes. */
  close(): void {
    for (const end of [...this.#waiting.keys()]) end()
  }
}
