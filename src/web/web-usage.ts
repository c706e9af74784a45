import type { Fault } from '../core/fault.ts'
import { noUsage, type Usage } from '../core/usage.ts'
import { endUsage } from '../gate/end-usage.ts'
import type { Gate } from '../gate/gate.ts'
import { createTakenUsages } from '../gate/taken-usages.ts'

/** What each request has taken of its limits. */
const usages = createTakenUsages<Request>()

/** Runs a handler under what its request has taken, tells the client of it, and ends what is counted at once when it has answered. */
export async function withUsage(
  request: Request,
  gate: Gate,
  usage: Usage,
  onFault: (fault: Fault) => void,
  work: () => Response | Promise<Response>,
): Promise<Response> {
  usages.remember(request, gate, usage)
  if (usage === noUsage) return work()
  try {
    return tell(await work(), usage)
  } finally {
    if (usage.isOpen) await endUsage(usage, request.signal.aborted ? 'aborted' : 'answered', onFault)
  }
}

/** The same answer with the headers of the limits; some responses, such as one that was fetched, take none. */
function tell(response: Response, usage: Usage): Response {
  const told = new Response(response.body, response)
  for (const [name, value] of Object.entries(usage.headers)) told.headers.set(name, value)
  return told
}

/**
 * What of its limits a request has taken: to take what is known only now, such as the characters of its body, and to settle an estimate to
 * the real figure.
 *
 * @throws TypeError where no guard ran
 */
export function usageOf(ward: { readonly gate: Gate }, request: Request): Usage {
  return usages.get(request, ward)
}
