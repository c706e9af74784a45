import type { Maybe } from '../core/after.ts'
import type { LimiterBackend, Measures } from '../telemetry/measures.ts'
import type { Limiter } from './limiter.ts'

/**
 * Measures how long a limiter takes to take, and counts each of its calls that fails: to take, to
 * settle, to look and to reset. Some of those have no answer that could say so.
 */
export function measureLimiter<L extends Limiter>(
  limiter: L,
  backend: LimiterBackend,
  measures: Measures,
): L {
  if (!measures.isOn) return limiter
  const tellFailure = (hasFailed: boolean): void => {
    if (hasFailed) measures.limiterFailed(backend)
  }
  const counted: Omit<Limiter, 'isOut' | 'close'> = {
    take(uses) {
      const begunAt = performance.now()
      return tellEnd(
        () => limiter.take(uses),
        (hasFailed) => {
          measures.limiterTake(backend, performance.now() - begunAt)
          tellFailure(hasFailed)
        },
      )
    },
    settle: (uses, at, costs) => tellEnd(() => limiter.settle(uses, at, costs), tellFailure),
    peek: (uses) => tellEnd(() => limiter.peek(uses), tellFailure),
    reset: (uses) => tellEnd(() => limiter.reset(uses), tellFailure),
  }
  return { ...limiter, ...counted }
}

/** Tells whether a call has failed, by what it threw or rejected with, and passes that on. */
function tellEnd<T>(call: () => Maybe<T>, tell: (hasFailed: boolean) => void): Maybe<T> {
  let answer: Maybe<T>
  try {
    answer = call()
  } catch (thrown) {
    tell(true)
    throw thrown
  }
  if (answer instanceof Promise)
    answer.then(
      () => tell(false),
      () => tell(true),
    )
  else tell(false)
  return answer
}
