import type { ServerResponse } from 'node:http'
import { Fault } from '../core/fault.ts'
import type { Usage, UsageOutcome } from './usage.ts'

/** Told of a limit that could not be counted down when its request was over. */
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
    onFault(
      thrown instanceof Fault
        ? thrown
        : new Fault('limiter_unavailable', 'a limit could not be counted down', { cause: thrown }),
    )
  }
}
