import { Fault, type FaultCode } from './fault.ts'
import type { Scheduler } from './scheduler.ts'

export interface DeadlineOptions {
  /** What does the work, for the fault's message. */
  readonly name: string
  /** The fault past the deadline. @default 'model_timeout' */
  readonly code?: FaultCode
  /** Milliseconds from now; infinite if the work has a deadline of its own. */
  readonly deadlineMs: number
  /**
   * Of how many waits of equal length the deadline is made. Each begins when this thread has read
   * what had arrived: work of several answers that a busy thread held up has the next to go on.
   * @default 1
   */
  readonly waits?: number
  readonly scheduler: Pick<Scheduler, 'after' | 'yieldTurn'>
  /** Gives the work up when it aborts. */
  readonly signal?: AbortSignal | undefined
  /** Called once if the work is given up, to stop it. Its caller has been answered by then. */
  readonly onGiveUp?: ((reason: unknown) => void) | undefined
}

/**
 * The outcome of work that may ignore every signal. Rejects with a fault past the deadline,
 * or with the signal's reason as soon as it aborts. An answer that came in time, and that this
 * thread was too busy to read, is no late one.
 */
export function withinDeadline<T>(work: PromiseLike<T>, options: DeadlineOptions): Promise<T> {
  const { name, code = 'model_timeout', deadlineMs, waits = 1, scheduler, signal, onGiveUp } = options
  const outcome = Promise.withResolvers<T>()
  let hasEnded = false
  let waitsLeft = waits
  let stopTimer = deadlineMs < Number.POSITIVE_INFINITY ? wait() : undefined

  function wait(): () => void {
    waitsLeft -= 1
    return scheduler.after(deadlineMs / waits, () => void timeOut())
  }

  async function timeOut(): Promise<void> {
    // Timers are run before what has arrived meanwhile is read.
    await scheduler.yieldTurn()
    if (hasEnded) return
    if (waitsLeft > 0) stopTimer = wait()
    else giveUp(new Fault(code, `${name} did not answer within ${deadlineMs} ms`))
  }

  function end(): void {
    hasEnded = true
    stopTimer?.()
    signal?.removeEventListener('abort', abort)
  }

  function abort(): void {
    giveUp(signal?.reason)
  }

  // Rejects before it stops the work: a model that ends badly when aborted has still timed out.
  function giveUp(reason: unknown): void {
    end()
    outcome.reject(reason)
    onGiveUp?.(reason)
  }

  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  work.then(
    (value) => {
      end()
      outcome.resolve(value)
    },
    (reason: unknown) => {
      end()
      outcome.reject(reason)
    },
  )
  return outcome.promise
}
