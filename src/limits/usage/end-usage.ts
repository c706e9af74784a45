import type { ServerResponse } from 'node:http'
import { Fault } from '../../core/fault.ts'
import type { Usage, UsageOutcome } from './usage.ts'

/** Reports a limit that could not be counted down when its request was over. */
export type EndListener = (fault: Fault) => void

/** Ends a request's usage when its answer is written, or its client has gone. */
export function endWithAnswer(response: ServerResponse, usage: Usage, onFault: EndListener): void {
  if (!usage.isOpen) return
  const end = (): void => void endUsage(usage, response.writableFinished ? 'answered' : 'aborted', onFault)
  if (response.closed) end()
  else response.once('close', end)
}

/** Ends a request's usage. No answer waits for it, so a failure goes to `onFault`. */
export async function endUsage(usage: Usage, outcome: UsageOutcome, onFault: EndListener): Promise<void> {
  try {
    await usage.endRequest(outcome)
  } catch (thrown) {
    onFault(asLimiterFault(thrown))
  }
}

/** Keeps what a request holds at once until this work on it has settled, its client gone or not. */
export function holdDuring(usage: Usage, work: Promise<unknown>, onFault: EndListener): void {
  if (!usage.isOpen) return
  usage.hold()
  const release = (): Promise<void> => releaseUsage(usage, onFault)
  work.then(release, release)
}

/** Ends what `hold` began. No answer waits for it, so a failure goes to `onFault`. */
export async function releaseUsage(usage: Usage, onFault: EndListener): Promise<void> {
  try {
    await usage.release()
  } catch (thrown) {
    onFault(asLimiterFault(thrown))
  }
}

function asLimiterFault(thrown: unknown): Fault {
  return thrown instanceof Fault
    ? thrown
    : new Fault('limiter_unavailable', 'a limit could not be counted down', { cause: thrown })
}
