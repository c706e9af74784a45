import type { Maybe } from '../core/after.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { noteProblem } from '../guard/exchange/attached-exchange.ts'
import type { Exchange } from '../guard/exchange/exchange.ts'
import type { Guard } from '../guard/guard.ts'
import { abortIfLeft, keepHeaders, problemResponse, recordResponse } from '../guard/web/recorded-response.ts'
import { WebHead } from '../guard/web/web-head.ts'
import { endUsage } from '../limits/usage/end-usage.ts'
import { noUsage, type Usage } from '../limits/usage/usage.ts'

/** A request, and what is known of it beside itself. */
export interface RecordedRequest {
  readonly guard: Guard
  readonly request: Request
  readonly address: () => string | undefined
  readonly route: string | null
  readonly onFault: (fault: Fault) => void
}

/**
 * Runs the outermost guard of a request and its handler, and has their answer wait for its record.
 */
export async function recordRequest(
  { guard, request, address, route, onFault }: RecordedRequest,
  work: (exchange: Exchange) => Promise<Response>,
): Promise<Response> {
  const outer = guard.find(request)
  if (outer !== undefined) return work(outer)
  const exchange = guard.open(request, new WebHead(request, address()), request.method)
  let response: Response | undefined
  try {
    const working = answerThrown(request, onFault, work.bind(undefined, exchange), exchange)
    response = await working.finally(() => abortIfLeft(exchange, request, route))
    return await recordResponse(exchange, response, { method: request.method, route })
  } catch (thrown) {
    // Any other error of the handler's is the runtime's to answer.
    const unrecorded = response === undefined ? await recordError(exchange, route) : thrown
    if (!(unrecorded instanceof Fault)) throw thrown
    onFault(unrecorded)
    const problem = problemResponse(unrecorded, exchange.id)
    if (response !== undefined) keepHeaders(response.headers, problem.headers)
    response?.body?.cancel().catch(() => {})
    return problem
  } finally {
    // The same object may come back as another request.
    guard.forget(request)
  }
}

/** Runs a handler; answers what it refuses, and what fails, as a problem. */
export async function answerThrown(
  request: Request,
  onFault: (fault: Fault) => void,
  work: () => Maybe<Response>,
  exchange?: Exchange,
): Promise<Response> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof Fault) onFault(thrown)
    else if (!(thrown instanceof Refusal)) throw thrown
    noteProblem(request, thrown)
    return problemResponse(thrown, exchange?.id ?? crypto.randomUUID())
  }
}

/** The fault of a record that could not be written. */
async function recordError(exchange: Exchange, route: string | null): Promise<unknown> {
  try {
    await exchange.answer({ status: 500, route, requestId: exchange.id })
    return undefined
  } catch (fault) {
    return fault
  }
}

/**
 * Runs an admitted handler, sends the client the status of its limits, whatever it answers or
 * throws, and ends what is counted at once when it has answered.
 */
export async function withUsage(
  request: Request,
  exchange: Exchange,
  onFault: (fault: Fault) => void,
  work: () => Maybe<Response>,
): Promise<Response> {
  const { usage } = exchange
  if (usage === noUsage) return work()
  try {
    const response = await answerThrown(request, onFault, work, exchange)
    // A guard behind this one may have refused the request: it has then used nothing.
    return exchange.isAdmitted ? withStatus(response, usage) : response
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
