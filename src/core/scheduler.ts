/** Time that passes: a parameter, so that a test can let it pass. */
export interface Scheduler {
  /** Runs something once, after so many milliseconds; returns how to cancel it. */
  readonly after: (ms: number, run: () => void) => () => void
  /** Lets other work that waits in this process run first. */
  readonly yieldTurn: () => Promise<void>
}

/** Node's timers take no more: a longer one would run at once. 24.8 days. */
const timerMsMax = 2 ** 31 - 1

/** The process's own. Its timers do not keep the process alive. */
export const processScheduler: Scheduler = {
  after(ms, run) {
    const timer = setTimeout(run, Math.min(ms, timerMsMax))
    timer.unref()
    return function cancel() {
      clearTimeout(timer)
    }
  },
  yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
}

/** The same for work that a caller awaits: its timers keep the process alive until they fire. */
export const awaitedScheduler: Scheduler = {
  after(ms, run) {
    const timer = setTimeout(run, Math.min(ms, timerMsMax))
    return () => clearTimeout(timer)
  },
  yieldTurn: processScheduler.yieldTurn,
}

/** Runs something again and again, so many milliseconds apart; returns how to cancel it. */
export function every(scheduler: Scheduler, ms: number, run: () => void): () => void {
  let cancel = scheduler.after(ms, runAgain)
  function runAgain(): void {
    cancel = scheduler.after(ms, runAgain)
    run()
  }
  return () => cancel()
}

/**
 * Keeps the process alive until the work is done. Work that waits only for unreferenced timers
 * would otherwise let the process end.
 */
export async function stayAlive<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 60_000)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}

/** Resolves after so many milliseconds; rejects with the signal's reason if it aborts before. */
export function pause(scheduler: Scheduler, ms: number, signal: AbortSignal): Promise<void> {
  return orAbort(
    (stopped) =>
      new Promise((resolve) => {
        const cancel = scheduler.after(ms, resolve)
        stopped(cancel)
      }),
    signal,
  )
}

/**
 * The work's outcome, or the signal's reason as soon as it aborts, for work that may ignore the
 * signal.
 *
 * @param begin starts the work; registers with `onStop` what to call on an abort
 */
export async function orAbort<T>(
  begin: (onStop: (stop: () => void) => void) => Promise<T> | T,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted()
  const stops: (() => void)[] = []
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => {
    for (const stop of stops) stop()
    aborted.reject(signal.reason)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([begin((stop) => void stops.push(stop)), aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
