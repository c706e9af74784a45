import type { Context } from 'hono'
import { Fault } from '../core/fault.ts'
import type { Exchange } from '../guard/exchange/exchange.ts'
import { abortIfLeft, keepHeaders, recordResponse } from '../guard/web/recorded-response.ts'
import { answerProblem, type FaultListener, replaceResponse } from './answer-problem.ts'

/**
 * Runs the outermost guard of a request in a runtime other than Node: its `Response` waits for the
 * record.
 */
export async function recordContext(
  c: Context,
  exchange: Exchange,
  onFault: FaultListener,
  run: () => Promise<Response | undefined>,
): Promise<Response | undefined> {
  try {
    const returned = await run().finally(() => abortIfLeft(exchange, c.req.raw, routeOf(c)))
    const response = returned ?? c.res
    const recorded = await recordResponse(exchange, response, { method: c.req.method, route: routeOf(c) })
    if (returned !== undefined) return recorded
    if (recorded !== response) replaceResponse(c, recorded)
    return undefined
  } catch (thrown) {
    if (isLedgerFault(thrown)) return answerFault(c, thrown, onFault)
    // Hono answers it, or the app's `onError` does.
    await exchange.answer({ status: statusOf(thrown), route: routeOf(c), requestId: exchange.id })
    throw thrown
  }
}

function answerFault(c: Context, fault: Fault, onFault: FaultListener): Response | undefined {
  const response = answerProblem(c, fault, onFault)
  if (!c.finalized) return response
  keepHeaders(c.res.headers, response.headers)
  c.res.body?.cancel().catch(() => {})
  replaceResponse(c, response)
  return undefined
}

function isLedgerFault(thrown: unknown): thrown is Fault {
  return thrown instanceof Fault && thrown.code === 'ledger_unavailable'
}

/** An `HTTPException` brings its status along. */
export function statusOf(thrown: unknown): number {
  const { status } = thrown as { readonly status?: unknown }
  return typeof status === 'number' ? status : 500
}

interface Route {
  readonly method: string
  readonly path: string
}

/** The pattern of the handler's route, the last that matched; null where only middleware did. */
export function routeOf(c: Context): string | null {
  // Not by `hono/route`: the oldest versions that we support do not have it.
  const { matchedRoutes } = c.req as unknown as { readonly matchedRoutes: readonly Route[] }
  return matchedRoutes.findLast(({ method, path }) => method !== 'ALL' || !path.endsWith('*'))?.path ?? null
}
