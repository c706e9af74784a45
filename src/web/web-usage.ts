import type { Fault } from '../core/fault.ts'
import { endUsage } from '../limits/take-limits.ts'
import { noUsage, type Usage } from '../limits/usage.ts'

/**
 * Runs a handler, sends the client the status of its limits, and ends what is counted at once when
 * it has answered.
 */
export async function withUsage(
  request: Request,
  usage: Usage,
  onFault: (fault: Fault) => void,
  work: () => Response | Promise<Response>,
): Promise<Response> {
  if (usage === noUsage) return work()
  try {
    return withStatus(await work(), usage)
  } finally {
    if (usage.isOpen) await endUsage(usage, request.signal.aborted ? 'aborted' : 'answered', onFault)
  }
}

/**
 * The same answer with the headers of the limits; some responses, such as one that was fetched,
 * take none.
 */
function withStatus(response: Response, usage: Usage): Response {
  const copy = new Response(response.body, response)
  for (const [name, value] of Object.entries(usage.headers)) copy.headers.set(name, value)
  return copy
}
