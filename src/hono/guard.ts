import type { Context, Env, Hono, MiddlewareHandler, Next, Schema } from 'hono'
import type { Maybe } from '../core/after.ts'
import { checkOptions, isFunction, type OptionRule } from '../core/check-options.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import {
  checkNoRoutes,
  checkWard,
  createPublicPaths,
  guardAppRules,
  otherApp,
} from '../guard/adapter-options.ts'
import type { CallerOf } from '../guard/caller.ts'
import { checkDemand } from '../guard/check-demand.ts'
import type { Demand } from '../guard/demand.ts'
import { admittedExchange, type Guard, openUsage } from '../guard/guard.ts'
import { sendLimits, unsendLimits } from '../guard/node/limit-status.ts'
import { recordNamed } from '../guard/node/recorded-response.ts'
import { endUsage, endWithAnswer, holdDuring } from '../limits/usage/end-usage.ts'
import { noUsage, type RequestUsage, type Usage } from '../limits/usage/usage.ts'
import { answerCaught, answerProblem, type FaultListener } from './answer-problem.ts'
import { countPublic } from './count-public.ts'
import { holdContinue, openExchange, outgoingOf, sentPathOf } from './hono-head.ts'
import { recordContext, routeOf } from './record-context.ts'

/** What the guard adds to a context, for `c.var` and `c.get`. */
export interface CallerVariables<Required extends boolean = true> {
  /** Who is calling. */
  caller: CallerOf<Required>
}

/** How a guard finds the client's address, and how it answers refusals and reports faults. */
export interface HonoGuardOptions {
  /**
   * The client's address, where it comes from a proxy or from another runtime than Node. While it
   * is unknown, keys with an address list are refused.
   * @default the connection's on Node, unknown elsewhere
   */
  readonly address?: (c: Context) => string | undefined
  /**
   * Sees each refusal of the guard before it is answered; what it returns is answered in place of
   * the problem, a page for browsers for one.
   */
  readonly onRefused?: (c: Context, refusal: Refusal) => Maybe<Response | undefined>
  /** Called for each fault, whose cause no client sees. @default console.error */
  readonly onFault?: FaultListener
}

/** How a whole app is guarded. */
export interface HonoAppOptions<Required extends boolean> extends HonoGuardOptions {
  readonly ward: { readonly guard: Guard<Required> }
  /**
   * What every request demands; a route demands more with `guard`.
   * @default any key but an admin's
   */
  readonly demand?: Demand
  /** Paths that are open to everyone: `/health`, `GET /health`, `/assets/*`. @default none */
  readonly public?: readonly string[]
  /**
   * Middleware that must run ahead of the guard, such as `cors()`, whose preflights come without a
   * key.
   * @default none
   */
  readonly before?: readonly MiddlewareHandler[]
}

type Middleware<Required extends boolean> = (
  c: Context<{ Variables: CallerVariables<Required> }>,
  next: Next,
) => Promise<Response | undefined>

const rules: Readonly<Record<keyof HonoGuardOptions, OptionRule>> = {
  address: { expected: 'a function', accepts: isFunction },
  onRefused: { expected: 'a function', accepts: isFunction },
  onFault: { expected: 'a function', accepts: isFunction },
}
const framework = 'Hono 4'
const appRules: Readonly<Record<keyof HonoAppOptions<true>, OptionRule>> = { ...rules, ...guardAppRules }

/**
 * Guards the routes it is put in front of; the caller is at `c.var.caller`, typed. A refusal is
 * answered as a problem before the body is read; so are a `Refusal` and a `Fault` that a handler
 * behind it throws.
 *
 * @throws TypeError for a demand or an option that is wrong
 * @example
 * new Hono().post('/predict', guard(ward, { scope: 'predict' }), (c) => c.json(c.var.caller.owner))
 */
export function guard<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  demand: Demand = {},
  options: HonoGuardOptions = {},
): MiddlewareHandler<{ Variables: CallerVariables<Required> }> {
  checkWard('guard', ward)
  checkDemand('guard', demand)
  checkOptions('guard', options, rules)
  const { address, onRefused, onFault = console.error } = options
  const run: Middleware<Required> = async function modelwardGuard(c, next) {
    let usage = noUsage
    try {
      holdContinue(c)
      const deciding = ward.guard.admit(openExchange(ward.guard, c, address), demand)
      const verdict = deciding instanceof Promise ? await deciding : deciding
      if (!verdict.admitted) throw verdict.refusal
      c.set('caller', verdict.caller)
      usage = verdict.usage
      beginUsage(c, usage, onFault)
    } catch (thrown) {
      const outgoing = outgoingOf(c)
      if (outgoing !== undefined) unsendLimits(outgoing, ward.guard.find(c)?.usage ?? noUsage)
      if (thrown instanceof Fault) return answerProblem(c, thrown, onFault)
      if (thrown instanceof Refusal)
        return (await onRefused?.(c, thrown)) ?? answerProblem(c, thrown, onFault)
      throw thrown
    }
    const working = next()
    holdDuring(usage, working, onFault)
    await working
    answerCaught(c, onFault)
    if (usage !== noUsage && outgoingOf(c) === undefined) await concludeUsage(c, usage)
    return undefined
  }
  /** After the handler, as no event says when an answer is gone: its handler's end is the end. */
  const concludeUsage = async (c: Context, usage: Usage): Promise<void> => {
    if (ward.guard.find(c)?.isAdmitted === true)
      for (const [name, value] of Object.entries(usage.headers)) c.header(name, value)
    if (usage.isOpen) await endUsage(usage, c.req.raw.signal.aborted ? 'aborted' : 'answered', onFault)
  }
  if (!ward.guard.isRecorded) return run
  return function modelwardGuard(c, next) {
    if (ward.guard.find(c) !== undefined) return run(c, next)
    const exchange = openExchange(ward.guard, c, address)
    const outgoing = outgoingOf(c)
    if (outgoing !== undefined) {
      recordNamed(outgoing, { exchange, routeOf: () => routeOf(c), onFault })
      return run(c, next)
    }
    c.header('x-request-id', exchange.id)
    return recordContext(c, exchange, onFault, function guardRecorded() {
      return run(c, next)
    })
  }
}

/**
 * On Node, at once: sends the status of the limits, and ends what is counted at once when the
 * answer is gone. The headers go to Node's response: on a `Response` they would cost more than the
 * guard.
 */
function beginUsage(c: Context, usage: Usage, onFault: FaultListener): void {
  const outgoing = outgoingOf(c)
  if (usage === noUsage || outgoing === undefined) return
  sendLimits(outgoing, usage)
  endWithAnswer(outgoing, usage, onFault)
}

/**
 * Guards a whole app: every path asks for a key, unknown ones too, unless `public` lists it. It
 * comes before all routes and middleware of the app, so that none can be ahead of it; what has to
 * be goes into `before`.
 *
 * @returns the same app, whose handlers know the caller at `c.var.caller`; undefined on a public
 *   path
 * @throws TypeError for options that are wrong, all at once, and for an app that has routes already
 * @example
 * const app = guardApp(new Hono(), { ward, public: ['GET /health'] })
 */
export function guardApp<E extends Env, S extends Schema, P extends string, Required extends boolean>(
  app: Hono<E, S, P>,
  options: HonoAppOptions<Required>,
): Hono<E & { Variables: CallerVariables<Required> }, S, P> {
  checkOptions('guardApp', options, appRules)
  checkNoRoutes(framework, (app as Partial<typeof app> | undefined)?.routes?.length)
  const { ward, demand = {}, public: open = [], before = [], ...same } = options
  checkDemand('guardApp: demand', demand)
  const publicPaths = createPublicPaths(open)
  const guarded = guard(ward, demand, same)
  for (const middleware of before) app.use(middleware)
  app.use(async function modelwardGuardApp(c, next) {
    // Hono's types have no context that learns of a variable on its way; the guard sets the one
    // that it is typed with.
    if (!publicPaths.has(c.req.method, sentPathOf(c))) return guarded(c as never, next)
    holdContinue(c)
    await countPublic(ward.guard, c, async function answerPublic() {
      await next()
      answerCaught(c, same.onFault ?? console.error)
    })
    return undefined
  })
  // Hono 3 puts it before the path `/` alone, and all others would be open.
  if (app.routes.at(-1)?.path.endsWith('*') !== true) throw otherApp(framework)
  // The same app: the type of one that exists cannot learn what the guard sets for its handlers.
  return app as unknown as Hono<E & { Variables: CallerVariables<Required> }, S, P>
}

/**
 * The caller of a request, as the ward's schemes type it: null is possible where one of them has
 * `autoError: false`.
 *
 * @throws TypeError where no guard has admitted the request
 */
export function callerOf<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  c: Context,
): CallerOf<Required> {
  return admittedExchange(ward.guard, c).caller as CallerOf<Required>
}

/**
 * What a request has taken of its limits: how they stand, to hold its place among those at once for
 * work that goes on, and to hand it on to a job. What a handler uses it reserves by `ward.reserve`.
 *
 * @throws TypeError where no guard has admitted the request
 */
export function usageOf(ward: { readonly guard: Guard }, c: Context): RequestUsage {
  return openUsage(ward.guard, c)
}
