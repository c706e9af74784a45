import type { IncomingMessage } from 'node:http'
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express'
import { checkOptions, isFunction, type OptionRule } from '../core/check-options.ts'
import { Fault } from '../core/fault.ts'
import { asError } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { checkNoRoutes, checkWard, createPublicPaths, guardAppRules } from '../guard/adapter-options.ts'
import type { CallerOf } from '../guard/caller.ts'
import { checkDemand } from '../guard/check-demand.ts'
import type { Demand } from '../guard/demand.ts'
import { admittedExchange, type Guard, openUsage } from '../guard/guard.ts'
import { continueOnRead } from '../guard/node/continue-on-read.ts'
import { countUnguarded } from '../guard/node/count-unguarded.ts'
import { sendLimits, unsendLimits } from '../guard/node/limit-status.ts'
import type { Verdict } from '../guard/verdict.ts'
import { endWithAnswer } from '../limits/usage/end-usage.ts'
import { noUsage, type RequestUsage } from '../limits/usage/usage.ts'
import { answerProblem, type FaultListener } from './answer-problem.ts'
import { openExchange } from './open-exchange.ts'
import { routeOf } from './route-pattern.ts'

/** What the guard adds to `response.locals`. */
export interface CallerLocals<Required extends boolean = true> {
  /** Who is calling. */
  caller: CallerOf<Required>
}

/**
 * Middleware that adds the caller's type to a route, and leaves those of its parameters, query and
 * body as they are.
 */
export type GuardHandler<Required extends boolean = true> = (
  request: IncomingMessage,
  response: Response<unknown, CallerLocals<Required>>,
  next: NextFunction,
) => void

/** How a guard answers refusals and reports faults. */
export interface ExpressGuardOptions {
  /**
   * Sees each refusal of the guard before it is answered; answers in its own way, a page for
   * browsers for one, by sending the response and returning true.
   */
  readonly onRefused?: (request: Request, response: Response, refusal: Refusal) => boolean
  /**
   * Called for each fault of the guard's own, whose cause no client sees.
   * @default console.error
   */
  readonly onFault?: FaultListener
}

/** How a whole app is guarded. */
export interface ExpressAppOptions extends ExpressGuardOptions {
  readonly ward: { readonly guard: Guard }
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
  readonly before?: readonly RequestHandler[]
}

const rules: Readonly<Record<keyof ExpressGuardOptions, OptionRule>> = {
  onRefused: { expected: 'a function', accepts: isFunction },
  onFault: { expected: 'a function', accepts: isFunction },
}
const appRules: Readonly<Record<keyof ExpressAppOptions, OptionRule>> = { ...rules, ...guardAppRules }

/**
 * Guards the routes it is put in front of; the caller is at `response.locals.caller`, typed. A
 * refusal is answered as a problem before the body is read, so put it ahead of `express.json()`.
 * The client's address is `request.ip`, which heeds the app's `trust proxy`.
 *
 * @throws TypeError for a demand or an option that is wrong
 * @example
 * app.post('/predict', guard(ward, { scope: 'predict' }), express.json(), (request, response) => {
 *   response.json({ owner: response.locals.caller.owner })
 * })
 */
export function guard<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  demand: Demand = {},
  options: ExpressGuardOptions = {},
): GuardHandler<Required> {
  checkWard('guard', ward)
  checkDemand('guard', demand)
  checkOptions('guard', options, rules)
  const { onRefused, onFault = console.error } = options
  return function modelwardGuard(request, response, next) {
    // Node's types in the signature leave a route's own parameters and body typed; what Express
    // hands over is its own request and response.
    const received = request as Request
    const reply = response as unknown as Response
    const settle = (verdict: Verdict<CallerOf<Required>>): void => {
      if (!verdict.admitted) {
        refuse(verdict.refusal)
        return
      }
      response.locals.caller = verdict.caller
      sendLimits(reply, verdict.usage)
      endWithAnswer(reply, verdict.usage, onFault)
      next()
    }
    const unsend = (): void => unsendLimits(reply, ward.guard.find(reply)?.usage ?? noUsage)
    const refuse = (refusal: Refusal | Fault): void => {
      unsend()
      if (refusal instanceof Refusal && onRefused?.(received, reply, refusal) === true) return
      answerProblem(received, reply, refusal)
    }
    const fail = (thrown: unknown): void => {
      if (!(thrown instanceof Fault)) {
        unsend()
        next(asError(thrown))
        return
      }
      onFault(thrown)
      refuse(thrown)
    }
    // From here on nothing but an error may reach Express: it takes anything less for leave to go
    // on.
    try {
      continueOnRead(received, reply)
      const verdict = ward.guard.admit(openExchange(ward.guard, received, reply, onFault), demand)
      if (verdict instanceof Promise)
        verdict.then(settle, fail).catch((thrown: unknown) => next(asError(thrown)))
      else settle(verdict)
    } catch (thrown) {
      fail(thrown)
    }
  }
}

/**
 * Guards a whole app: every path asks for a key, unknown ones too, unless `public` lists it. It
 * comes before all routes and middleware of the app, so that none can be ahead of it; what has to
 * be goes into `before`. Under `createServer(app).on('checkContinue', app)` a client that asks
 * first (`Expect: 100-continue`) is asked for its body when that is read, and not before.
 *
 * @returns the same app
 * @throws TypeError for options that are wrong, all at once, and for an app that has routes already
 * @example
 * const app = guardApp(express(), { ward, public: ['GET /health'] })
 */
export function guardApp<App extends Express>(app: App, options: ExpressAppOptions): App {
  checkOptions('guardApp', options, appRules)
  checkNoRoutes('Express 5, or 4 from 4.19 on', countRoutes(app))
  const { ward, demand = {}, public: open = [], before = [], ...same } = options
  checkDemand('guardApp: demand', demand)
  const publicPaths = createPublicPaths(open)
  // It stands before every route, so its type adds the caller to no single route's.
  const guarded = guard(ward, demand, same) as unknown as RequestHandler
  for (const middleware of before) app.use(middleware)
  app.use(function modelwardGuardApp(request, response, next) {
    continueOnRead(request, response)
    if (!publicPaths.has(request.method, request.path)) {
      guarded(request, response, next)
      return
    }
    countUnguarded(ward.guard, response, request, response, () => routeOf(request))
    next()
  })
  return app
}

/**
 * What a request has taken of its limits: how they stand, to hold its place among those at once for
 * work that goes on, and to hand it on to a job. What a handler uses it reserves by `ward.reserve`.
 *
 * @throws TypeError where no guard has admitted the request
 */
export function usageOf(ward: { readonly guard: Guard }, response: object): RequestUsage {
  return openUsage(ward.guard, response)
}

/**
 * The caller of a request, as the ward's schemes type it: null is possible where one of them has
 * `autoError: false`.
 *
 * @throws TypeError where no guard has admitted the request
 */
export function callerOf<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  response: { readonly locals: object },
): CallerOf<Required> {
  return admittedExchange(ward.guard, response).caller as CallerOf<Required>
}

interface Layers {
  readonly stack: readonly { readonly name: string }[]
}

/** What Express 4 puts first into every app by itself. */
const own = ['query', 'expressInit'] as const

/**
 * How many routes and middleware an app has: `_router` under Express 4, once it has some, `router`
 * under 5; reading that throws under 4. Undefined for what is no such app, as one of Express 3,
 * whose router has no stack.
 */
function countRoutes(app: unknown): number | undefined {
  const layers = app as { readonly _router?: Partial<Layers>; readonly router?: Partial<Layers> } | undefined
  if (layers?._router !== undefined)
    return layers._router.stack?.filter(({ name }, index) => name !== own[index]).length
  try {
    return layers?.router?.stack?.length
  } catch {
    return 0
  }
}
