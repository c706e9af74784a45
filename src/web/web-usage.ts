import type { Fault } from '../core/fault.ts'
import { noUsage, type Usage } from '../core/usage.ts'
import { endUsage } from '../gate/end-usage.ts'
import type { Gate } from '../gate/gate.ts'

/** What each request has taken of its limits. */
const usages = new WeakMap<Request, Usage>()

/** Runs a handler under what its request has taken, tells the client of it, and ends what is counted at once when it has answered. */
export async function withUsage(
  request: Request,
  usage: Usage,
  onFault: (fault: Fault) => void,
  work: () => Response | Promise<Response>,
): Promise<Response> {
  usages.set(request, usage)
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
export function usageOf(_ward: { readonly gate: Gate }, request: Request): Usage {
  const usage = usages.get(request)
  if (usage === undefined)
    throw new TypeError('no caller was admitted for this request: no guard has seen it')
  return usage
}
