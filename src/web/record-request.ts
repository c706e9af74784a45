import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { Exchange } from '../guard/exchange.ts'
import type { Guard } from '../guard/guard.ts'
import { createRequestNote } from '../guard/request-note.ts'
import { problemResponse } from '../guard/web/problem-response.ts'
import { keepHeaders, recordResponse } from '../guard/web/recorded-response.ts'

/** What is known of a request beside itself. */
export interface RecordedRequest {
  readonly gate: Guard
  readonly request: Request
  readonly head: () => RequestHead
  readonly route: string | null
  readonly onFault: (fault: Fault) => void
}

/** What each request was last answered with, where that was a problem. */
const answered = createRequestNote<Request, Refusal | Fault>('answered problem')

/** The problem that answers what was thrown, with the request's id where one is known. */
export function answerProblem(
  request: Request,
  thrown: Refusal | Fault,
  requestId: string = crypto.randomUUID(),
): Response {
  answered.set(request, thrown)
  return problemResponse(thrown, requestId)
}

/** Runs the outermost guard of a request and its handler, and has their answer wait for its record. */
export async function recordRequest(
  { gate, request, head, route, onFault }: RecordedRequest,
  work: (exchange: Exchange) => Promise<Response>,
): Promise<Response> {
  const outer = gate.find(request)
  if (outer !== undefined) return work(outer)
  answered.set(request, undefined)
  const recording = gate.open(request, head, request.method)
  const requestId = crypto.randomUUID()
  let response: Response | undefined
  try {
    response = await answerThrown(request, requestId, onFault, () => work(recording))
    return await recordResponse(recording, {
      response,
      method: request.method,
      code: answered.get(request)?.code ?? null,
      route,
      requestId,
      onFault: (fault) => gate.recorder.onFault('a record was not written', fault),
    })
  } catch (thrown) {
    // The runtime answers any other error of the handler's.
    const unrecorded = response === undefined ? await recordError(recording, route, requestId) : thrown
    if (!(unrecorded instanceof Fault)) throw thrown
    onFault(unrecorded)
    const problem = answerProblem(request, unrecorded, requestId)
    if (response !== undefined) keepHeaders(response.headers, problem.headers)
    response?.body?.cancel().catch(() => {})
    return problem
  } finally {
    // Whoever comes back with the same object is another request.
    gate.forget(request)
    answered.set(request, undefined)
  }
}

async function answerThrown(
  request: Request,
  requestId: string,
  onFault: (fault: Fault) => void,
  work: () => Promise<Response>,
): Promise<Response> {
  try {
    return await work()
  } catch (thrown) {
    if (thrown instanceof Fault) onFault(thrown)
    else if (!(thrown instanceof Refusal)) throw thrown
    return answerProblem(request, thrown, requestId)
  }
}

/** Gives what went wrong, if anything did. */
async function recordError(recording: Exchange, route: string | null, requestId: string): Promise<unknown> {
  try {
    await recording.answer({ status: 500, code: null, route, requestId })
    return undefined
  } catch (fault) {
    return fault
  }
}
