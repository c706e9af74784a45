import type { ServerResponse } from 'node:http'
import { Fault } from '../core/fault.ts'
import { noUsage, type Usage } from './usage.ts'

/** Told of a limit that could not be counted down when its request was over. */
export type EndListener = (fault: Fault) => void

type UsageOutcome = Parameters<Usage['end']>[0]

/** Usage that outlives its request, each with how that ended, once it has. */
const handedOver = new WeakMap<Usage, { ended?: UsageOutcome }>()

/**
 * Somebody else ends this usage, later than its request does: a job. From now on the request's own end leaves it alone. False where nothing is to
 * be ended, or somebody else has it already.
 */
export function handOver(usage: Usage): boolean {
  if (usage === noUsage || handedOver.has(usage)) return false
  handedOver.set(usage, {})
  return true
}

/** The usage is its request's again, because no job was made, and ends now where that is over. @throws what `usage.end` throws, by rejecting */
export async function takeBack(usage: Usage): Promise<void> {
  const ended = handedOver.get(usage)?.ended
  handedOver.delete(usage)
  if (ended !== undefined) await usage.end(ended)
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
export async function endUsage(usage: Usage, outcome: UsageOutcome, onFault: EndListener): Promise<void> {
  const handed = handedOver.get(usage)
  if (handed !== undefined) {
    handed.ended = outcome
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
