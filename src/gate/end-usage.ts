import type { ServerResponse } from 'node:http'
import { Fault } from '../core/fault.ts'
import { noUsage, type Usage } from '../core/usage.ts'

/** Told of a limit that could not be counted down when its request was over. */
export type EndListener = (fault: Fault) => void

/** Usage that outlives its request. */
const handedOver = new WeakSet<Usage>()

/** Somebody else ends this usage, later than its request does: a job that was accepted. From now on the request's own end leaves it alone. */
export function handOver(usage: Usage): void {
  if (usage !== noUsage) handedOver.add(usage)
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
export async function endUsage(
  usage: Usage,
  outcome: Parameters<Usage['end']>[0],
  onFault: EndListener,
): Promise<void> {
  if (isHandedOver(usage)) return
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
