import type { ServerResponse } from 'node:http'
import { Fault } from '../core/fault.ts'
import { noUsage, type Usage } from '../core/usage.ts'

/** Told of a limit that could not be counted down when its request was over. */
export type EndListener = (fault: Fault) => void

type Outcome = Parameters<Usage['end']>[0]

/** Usage that outlives its request, and how that request has ended meanwhile. */
const handedOver = new WeakMap<Usage, { ended?: Outcome }>()

/**
 * Somebody else ends this usage, later than its request does: a job that is about to be accepted. From now on the request's own end leaves it
 * alone; after the acceptance would be too late, for a client that goes away before would run its jobs beside every limit.
 */
export function handOver(usage: Usage): void {
  if (usage !== noUsage && !handedOver.has(usage)) handedOver.set(usage, {})
}

/** The usage is its request's again, for the job was not accepted. Ended now where the request has ended meanwhile. */
export function takeBack(usage: Usage, onFault: EndListener): void {
  const ended = handedOver.get(usage)?.ended
  handedOver.delete(usage)
  if (ended !== undefined) void endUsage(usage, ended, onFault)
}

/** Whether somebody else ends this usage. */
export function isHandedOver(usage: Usage): boolean {
  return handedOver.has(usage)
}

/** Ends what a request uses at once when its answer is written, or its client has gone. */
export function endWithAnswer(response: ServerResponse, usage: Usage, onFault: EndListener): void {
  if (!usage.isOpen) return
  const end = (): void => void endUsage(usage, response.writableFinished ? 'answered' : 'aborted', onFault)
  if (response.closed) end()
  else response.once('close', end)
}

/** Ends a request's usage; nobody waits for it, so what fails is told. */
export async function endUsage(usage: Usage, outcome: Outcome, onFault: EndListener): Promise<void> {
  const elsewhere = handedOver.get(usage)
  if (elsewhere !== undefined) {
    elsewhere.ended = outcome
    return
  }
  try {
    await usage.end(outcome)
  } catch (thrown) {
    onFault(
      thrown instanceof Fault
        ? thrown
        : new Fault('limiter_unavailable', 'a limit could not be counted down', { cause: thrown }),
    )
  }
}
