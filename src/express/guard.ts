import type { IncomingMessage } from 'node:http'
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express'
import { checkOptions, isFunction, type OptionRule } from '../core/check-options.ts'
import { Fault } from '../core/fault.ts'
import { asError } from '../core/problem.ts'
import { createPublicPaths, publicRule } from '../guard/adapter-options.ts'
import type { CallerOf } from '../guard/caller.ts'
import { checkDemand } from '../guard/check-demand.ts'
import type { Demand } from '../guard/demand.ts'
import { exchangeOf, type Guard } from '../guard/guard.ts'
import { continueOnRead } from '../guard/node/continue-on-read.ts'
import type { Verdict } from '../guard/verdict.ts'
import { wardRule } from '../guard/ward-rule.ts'
import { endWithAnswer } from '../limits/end-usage.ts'
import type { Usage } from '../limits/usage.ts'
import { answerProblem, type FaultListener } from './answer-problem.ts'
import { openExchange } from './open-exchange.ts'

/** What the guard adds to `response.locals`. */
export interface CallerLocals<Required extends boolean = true> {
  /** Who is calling. */
  caller: CallerOf<Required>
}

/** Middleware that adds the caller's type to a route, and leaves those of its parameters, query and body as they are. */
export type GuardHandler<Required extends boolean = true> = (
  request: IncomingMessage,
  response: Response<unknown, CallerLocals<Required>>,
  next: NextFunction,
) => void

/** Whom a guard tells of faults. */
export interface ExpressGuardOptions {
  /** Told of each fault of the guard's own, whose cause no client sees. @default console.error */
  readonly onFault?: FaultListener
}

/** How a whole app is guarded. */
export interface ExpressAppOptions extends ExpressGuardOptions {
  readonly ward: { readonly guard: Guard }
  /** What every request demands; a route demands more with `guard`. @default any key but an admin's */
  readonly demand?: Demand
  /** Paths that are open to everyone: `/health`, `GET /health`, `/assets/*`. @default none */
  readonly public?: readonly string[]
  /** Middleware that must run ahead of the guard, such as `cors()`, whose preflights come without a key. @default none */
  readonly before?: readonly RequestHandler[]
}

const rules: Readonly<Record<keyof ExpressGuardOptions, OptionRule>> = {
  onFault: { expected: 'a function', accepts: isFunction },
}
const appRules: Readonly<Record<keyof ExpressAppOptions, OptionRule>> = {
  ...rules,
  ward: wardRule,
  demand: { expected: 'a demand', accepts: () => true },
  public: publicRule,
  before: {
    expected: 'an array of middleware',
    accepts: (value) => Array.isArray(value) && value.every(isFunction),
  },
}

/**
 * Guards the routes it is put in front of; the caller is at `response.locals.caller`, typed. A refusal is answered as a problem
 * before the body is read, so put it ahead of `express.json()`. The client's address is `request.ip`, which heeds the app's
 * `trust proxy`.
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
  checkOptions('guard', { ward }, { ward: wardRule })
  checkDemand('guard', demand)
  checkOptions('guard', options, rules)
  const { guard: gate } = ward
  const { onFault = console.error } = options
  return (request, response, next) => {
    // Node's types in the signature leave a route's own parameters and body typed; Express hands over its own.
    const asked = request as Request
    const reply = response as unknown as Response
    const settle = (verdict: Verdict<CallerOf<Required>>): void => {
      if (!verdict.admitted) {
        answerProblem(asked, reply, verdict.refusal)
        return
      }
      response.locals.caller = verdict.caller
      tellUsage(reply, verdict.usage, onFault)
      next()
    }
    const fail = (thrown: unknown): void => {
      if (!(thrown instanceof Fault)) {
        next(asError(thrown))
        return
      }
      onFault(thrown)
      answerProblem(asked, reply, thrown)
    }
    // From here on nothing but an error may reach Express: it takes anything less for leave to go on.
    try {
      continueOnRead(asked, reply)
      const exchange = openExchange(gate, asked, reply, onFault)
      const verdict = gate.admit(exchange, demand)
      if (verdict instanceof Promise)
        verdict.then(settle, fail).catch((thrown: unknown) => next(asError(thrown)))
      else settle(verdict)
    } catch (thrown) {
      fail(thrown)
    }
  }
}

/**
 * Guards a whole app: every path asks for a key, unknown ones too, unless `public` lists it. It comes before all routes and
 * middleware of the app, so that none can be ahead of it; what has to be goes into `before`. Under
 * `createServer(app).on('checkContinue', app)` a client that asks first (`Expect: 100-continue`) is told to send its body when that is
 * read, and not before.
 *
 * @returns the same app
 * @throws TypeError for options that are wrong, all at once, and for an app that has routes already
 * @example
 * const app = guardApp(express(), { ward, public: ['GET /health'] })
 */
export function guardApp<App extends Express>(app: App, options: ExpressAppOptions): App {
  checkOptions('guardApp', options, appRules)
  const declared = countRoutes(app)
  if (declared > 0)
    throw new TypeError(
      `guardApp: expected an app without routes, got one with ${declared}: they would be answered ahead of the guard; declare them after it, or name middleware in \`before\``,
    )
  const { ward, demand = {}, public: open = [], before = [], ...same } = options
  checkDemand('guardApp: demand', demand)
  const publicPaths = createPublicPaths(open)
  // It stands in front of every route, and so of none whose types it could add to.
  const guarded = guard(ward, demand, same) as unknown as RequestHandler
  for (const middleware of before) app.use(middleware)
  app.use((request, response, next) => {
    continueOnRead(request, response)
    if (publicPaths.has(request.method, request.path)) next()
    else guarded(request, response, next)
  })
  return app
}

/** Tells the client how its limits stand, and ends what is counted at once when the answer is gone. */
function tellUsage(response: Response, usage: Usage, onFault: FaultListener): void {
  for (const [name, value] of Object.entries(usage.headers)) response.setHeader(name, value)
  endWithAnswer(response, usage, onFault)
}

/**
 * What of its limits a request has taken: to take what is known only now, such as the characters of its body, and to settle an estimate to
 * the real figure. Headers that were set before are set anew by `response.set(usage.headers)`.
 *
 * @throws TypeError where no guard ran
 */
export function usageOf(ward: { readonly guard: Guard }, response: object): Usage {
  return exchangeOf(ward.guard, response).usage
}

/**
 * The caller of a request that a guard of this ward has admitted, as its schemes type it: null is among what it may be where one of
 * them has `autoError: false`.
 *
 * @throws TypeError where none ran, so that a forgotten one fails closed
 */
export function callerOf<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  response: { readonly locals: object },
): CallerOf<Required> {
  return exchangeOf(ward.guard, response).caller as CallerOf<Required>
}

interface Layers {
  readonly stack: readonly { readonly name: string }[]
}

/** What Express 4 puts first into every app by itself. */
const own = ['query', 'expressInit'] as const

/** How many routes and middleware an app has: in `_router` under Express 4, in `router` under 5, which 4 lets nobody read. */
function countRoutes(app: Express): number {
  const { _router } = app as unknown as { readonly _router?: Layers }
  if (_router !== undefined) return _router.stack.filter(({ name }, index) => name !== own[index]).length
  return isExpress5(app) ? (app.router as unknown as Layers).stack.length : 0
}

function isExpress5(app: Express): boolean {
  try {
    return app.router !== undefined
  } catch {
    return false
  }
}
