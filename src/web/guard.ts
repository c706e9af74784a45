import type { Maybe } from '../core/after.ts'
import { checkOptions, isFunction, isText, type OptionRule } from '../core/check-options.ts'
import type { Fault } from '../core/fault.ts'
import type { Refusal } from '../core/refusal.ts'
import { createPublicPaths, guardAppRules } from '../guard/adapter-options.ts'
import type { Caller, CallerOf } from '../guard/caller.ts'
import { checkDemand } from '../guard/check-demand.ts'
import type { Demand } from '../guard/demand.ts'
import type { Exchange } from '../guard/exchange/exchange.ts'
import { admittedExchange, type Guard, openUsage } from '../guard/guard.ts'
import type { RequestUsage } from '../limits/usage/usage.ts'
import { countPublic } from './count-public.ts'
import { answerThrown, recordRequest, withUsage } from './record-request.ts'
import { type GuardSource, guardSource, type WardSource, wardSourceRule } from './ward-source.ts'

/**
 * A handler of web-standard requests: Next.js's, Bun's, Deno's, a Worker's `fetch`. `Rest` is what
 * else the runtime gives it.
 */
export type WebHandler<Rest extends readonly unknown[]> = (
  request: Request,
  ...rest: Rest
) => Response | Promise<Response>

/** A handler that gets the caller. */
export type GuardedHandler<C extends Caller | null, Rest extends readonly unknown[]> = (
  request: Request,
  caller: C,
  ...rest: Rest
) => Response | Promise<Response>

/**
 * How a guard finds what a request does not say, and how it answers refusals and reports faults.
 */
export interface WebGuardOptions<Rest extends readonly unknown[]> {
  /**
   * The client's address, from where this runtime or its proxy gives it. While it is unknown, keys
   * with an address list are refused.
   * @default unknown
   */
  readonly address?: ((request: Request, ...rest: Rest) => string | undefined) | undefined
  /** The route's pattern, such as `/jobs/:id`, for its records. @default not recorded */
  readonly route?: string | undefined
  /**
   * Sees each refusal of the guard before it is answered; what it returns is answered in place of
   * the problem, a page for browsers for one.
   */
  readonly onRefused?: ((request: Request, refusal: Refusal) => Maybe<Response | undefined>) | undefined
  /** Called for each fault, whose cause no client sees. @default console.error */
  readonly onFault?: ((fault: Fault) => void) | undefined
}

/** How a whole app is guarded. */
export interface WebAppOptions<Rest extends readonly unknown[]> extends WebGuardOptions<Rest> {
  /** The ward, or a function that opens it when the first request comes. */
  readonly ward: WardSource
  /** What every request demands. @default any key but an admin's */
  readonly demand?: Demand
  /** Paths that are open to everyone: `/health`, `GET /health`, `/assets/*`. @default none */
  readonly public?: readonly string[]
}

const rules: Readonly<Record<keyof WebGuardOptions<[]>, OptionRule>> = {
  address: { expected: 'a function', accepts: isFunction },
  onRefused: { expected: 'a function', accepts: isFunction },
  onFault: { expected: 'a function', accepts: isFunction },
  route: { expected: "a route's pattern, such as /jobs/:id", accepts: isText },
}
const appRules: Readonly<Record<keyof WebAppOptions<[]>, OptionRule>> = {
  ...rules,
  ward: wardSourceRule,
  demand: guardAppRules.demand,
  public: guardAppRules.public,
}

/**
 * Guards one handler. A refusal is answered as a problem before the body is read; so are a
 * `Refusal` and a `Fault` that the handler throws. Any other error is the runtime's.
 *
 * @param ward the ward, or a function that opens it when the first request comes; a ward that
 *   cannot be opened is the fault `store_unavailable`, and the next request tries again
 * @throws TypeError for a demand or an option that is wrong
 * @example
 * export const POST = guard(ward, { scope: 'predict' }, async (request, caller) =>
 *   Response.json({ owner: caller.owner }),
 * )
 */
export function guard<Required extends boolean, Rest extends readonly unknown[] = []>(
  ward: WardSource<Required>,
  demand: Demand,
  handler: GuardedHandler<CallerOf<Required>, Rest>,
  options: WebGuardOptions<Rest> = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  checkOptions(
    'guard',
    { ward, handler },
    { ward: wardSourceRule, handler: { expected: 'a function', accepts: isFunction, isRequired: true } },
  )
  checkDemand('guard', demand)
  checkOptions('guard', options, rules)
  return guardBy(guardSource(ward), demand, handler, options)
}

function guardBy<Required extends boolean, Rest extends readonly unknown[]>(
  source: GuardSource<Required>,
  demand: Demand,
  handler: GuardedHandler<CallerOf<Required>, Rest>,
  options: WebGuardOptions<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  const { route = null, onRefused, onFault = console.error } = options
  return function modelwardGuard(request, ...rest) {
    return answerThrown(request, onFault, async function openAndGuard() {
      const found = await source.open()
      const address = (): string | undefined => options.address?.(request, ...rest)
      return recordRequest({ guard: found, request, address, route, onFault }, guardExchange)

      async function guardExchange(exchange: Exchange): Promise<Response> {
        const verdict = await found.admit(exchange, demand)
        if (!verdict.admitted) {
          const own = await onRefused?.(request, verdict.refusal)
          if (own !== undefined) return own
          throw verdict.refusal
        }
        return withUsage(request, exchange, onFault, function callHandler() {
          return handler(request, verdict.caller, ...rest)
        })
      }
    })
  }
}

/**
 * Guards a whole app that is one handler: every path asks for a key, unless `public` lists it.
 * Routes behind it may demand more with `guard`.
 *
 * @throws TypeError for options that are wrong, all at once
 * @example
 * Bun.serve({ fetch: guardApp(app.fetch, { ward, public: ['GET /health'] }) })
 */
export function guardApp<Rest extends readonly unknown[] = []>(
  handler: WebHandler<Rest>,
  options: WebAppOptions<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response> {
  checkOptions('guardApp', options, appRules)
  const { ward, demand = {}, public: open = [], ...same } = options
  checkDemand('guardApp: demand', demand)
  const publicPaths = createPublicPaths(open)
  const source = guardSource(ward)
  const guarded = guardBy<boolean, Rest>(
    source,
    demand,
    function callGuarded(request, _caller, ...rest) {
      return handler(request, ...rest)
    },
    same,
  )
  const { route = null, onFault = console.error } = same
  return function modelwardGuardApp(request, ...rest) {
    if (!publicPaths.has(request.method, new URL(request.url).pathname)) return guarded(request, ...rest)
    // A ward that no request has opened yet is not opened for a path that needs none.
    return countPublic(source.opened(), request, route, function answerPublic() {
      return answerThrown(request, onFault, function callPublic() {
        return handler(request, ...rest)
      })
    })
  }
}

/**
 * The caller of a request, as the ward's schemes type it: null is possible where one of them has
 * `autoError: false`.
 *
 * @throws TypeError where no guard has admitted the request
 */
export function callerOf<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  request: Request,
): CallerOf<Required> {
  return admittedExchange(ward.guard, request).caller as CallerOf<Required>
}

/**
 * What a request has taken of its limits: how they stand, to hold its place among those at once for
 * work that goes on, and to hand it on to a job. What a handler uses it reserves by `ward.reserve`.
 *
 * @throws TypeError where no guard has admitted the request
 */
export function usageOf(ward: { readonly guard: Guard }, request: Request): RequestUsage {
  return openUsage(ward.guard, request)
}
