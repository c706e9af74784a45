import { type RetryDelay, retryDelayMs } from './retry-delay.ts'
import type { Scheduler } from './scheduler.ts'

/** What could not be done as a request ended, because a store was out, and is tried again. */
export interface Retries {
  /**
   * Tries some work again until it no longer rejects.
   *
   * @param fault why it was not done
   * @param onLost hears why it was not, where the process ends before it is
   */
  readonly add: (
    work: () => Promise<void> | undefined,
    fault: unknown,
    onLost: (fault: unknown) => void,
  ) => void
  /** Tries all that is left once more, now, and gives it up. Resolves after 2 s at most. */
  readonly close: () => Promise<void>
}

interface Retry {
  readonly work: () => Promise<void> | undefined
  readonly onLost: (fault: unknown) => void
  fault: unknown
  failures: number
  cancel: () => void
  /** The try that is under way. */
  trying: Promise<void> | undefined
}

/** Half a minute at most: that long an end may be missing once its store is back. */
const delay: RetryDelay = { baseMs: 1_000, capMs: 30_000 }

/** How long a process that closes waits for the last try, in milliseconds. */
const lastTryMs = 2_000

/** @param random gives a number from 0 on and below 1 */
export function createRetries(
  { after }: Pick<Scheduler, 'after'>,
  random: () => number = Math.random,
): Retries {
  const left = new Set<Retry>()

  function later(retry: Retry): void {
    retry.cancel = after(retryDelayMs(retry.failures, delay, random), () => void tryAgain(retry))
  }

  function tryAgain(retry: Retry): Promise<void> {
    retry.cancel()
    retry.trying ??= tryOnce(retry).finally(() => {
      retry.trying = undefined
    })
    return retry.trying
  }

  async function tryOnce(retry: Retry): Promise<void> {
    try {
      await retry.work()
      left.delete(retry)
    } catch (fault) {
      retry.fault = fault
      retry.failures += 1
      if (left.has(retry)) later(retry)
    }
  }

  return {
    add(work, fault, onLost) {
      const retry: Retry = { work, onLost, fault, failures: 1, cancel() {}, trying: undefined }
      left.add(retry)
      later(retry)
    },
    async close() {
      if (left.size === 0) return
      const { promise: timeIsUp, resolve } = Promise.withResolvers<void>()
      const cancel = after(lastTryMs, resolve)
      await Promise.race([Promise.all([...left].map(tryAgain)), timeIsUp])
      cancel()
      for (const retry of left) {
        retry.cancel()
        retry.onLost(retry.fault)
      }
      left.clear()
    },
  }
}
