import type {
  FastifyInstance,
  FastifyPluginCallback,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  RouteHandlerMethod,
} from 'fastify'
import plugin from 'fastify-plugin'
import { checkOptions, isBoolean, isFunction, type OptionRule } from '../core/check-options.ts'
import { Fault } from '../core/fault.ts'
import { asError } from '../core/problem.ts'
import type { Refusal } from '../core/refusal.ts'
import { checkWard, wardRule } from '../guard/adapter-options.ts'
import type { Caller, CallerOf } from '../guard/caller.ts'
import { checkGuardSetting } from '../guard/check-demand.ts'
import type { Demand, GuardSetting } from '../guard/demand.ts'
import { findExchange } from '../guard/exchange/attached-exchange.ts'
import type { Exchange } from '../guard/exchange/exchange.ts'
import { admittedExchange, type Guard, openUsage } from '../guard/guard.ts'
import type { Verdict } from '../guard/verdict.ts'
import { endWithAnswer, holdDuring } from '../limits/usage/end-usage.ts'
import { noUsage, type RequestUsage, type Usage } from '../limits/usage/usage.ts'
import { answerProblem, answerThrown } from './answer-problem.ts'
import { holdContinue } from './continue.ts'
import { rememberRoute } from './describe-routes.ts'
import type { FitsDemand } from './fits-demand.ts'
import { openExchange, recordAnswers, recordUpgrade, type UnrecordedListener } from './record-answers.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Who is calling. Throws where no caller was admitted, so that a forgotten guard fails closed.
     */
    readonly caller: Caller
  }
  interface FastifyContextConfig {
    // Fastify infers the type of a whole `config` from what is written there, so that any text
    // would be a `Demand` to it; no text is an `object`.
    /**
     * What this route demands of its caller; `'public'` opens it to everyone.
     * @default the plugin's `default`
     */
    guard?: GuardSetting & (object | 'public')
    /** Not for use: by its type a field that no demand has is an error where it is written. */
    toLocaleString?: FitsDemand<this>
  }
}

/** What the plugin guards with, and what routes demand that say nothing themselves. */
export interface GuardPluginOptions {
  /** From `openModelward`, or `createTestWard` in a test. */
  readonly ward: { readonly guard: Guard }
  /**
   * What a route without a `config.guard` of its own demands, unknown paths among them. `'public'`
   * guards only the routes that name a demand, and gives up default deny.
   * @default any key but an admin's
   */
  readonly default?: GuardSetting
  /**
   * Whether a `Refusal` or a `Fault` that a route throws is answered as a problem. Other errors are
   * left to Fastify, and all of them to an error handler that the app has by then. Fastify gives a
   * route the error handler that there is when it is declared: what a route declared before the
   * plugin throws is answered by Fastify, in its own form. What the guard itself refuses, and what
   * fails in it, is answered as a problem on every route.
   * @default true
   */
  readonly answersThrown?: boolean
  /**
   * Sees each refusal before it is answered; answers in its own way by sending the reply and
   * returning true.
   */
  readonly onRefused?: (request: FastifyRequest, reply: FastifyReply, refusal: Refusal) => boolean
  /**
   * Called for each answer that was a 503 because it could not be recorded.
   * @default `request.log.error`
   */
  readonly onUnrecorded?: UnrecordedListener
}

const rules: Readonly<Record<keyof GuardPluginOptions, OptionRule>> = {
  ward: wardRule,
  // Looked at more closely below.
  default: { expected: "a demand or 'public'", accepts: () => true },
  answersThrown: { expected: 'true or false', accepts: isBoolean },
  onRefused: { expected: 'a function', accepts: isFunction },
  onUnrecorded: { expected: 'a function', accepts: isFunction },
}

const noDemand: Demand = {}
/** Any key may learn that a path is not there. */
const unknownPathDemand: Demand = { anyKey: true, session: 'read' }

const register: FastifyPluginCallback<GuardPluginOptions> = (app, options, done) => {
  // Passed on: what a plugin throws before it calls back is uncaught, and would end the process.
  let wrong: Error | undefined
  try {
    guardScope(app, options)
  } catch (thrown) {
    wrong = asError(thrown)
  }
  done(wrong)
}

function guardScope(app: FastifyInstance, options: GuardPluginOptions): void {
  checkOptions('modelward', options, rules)
  checkWard('modelward', options.ward)
  const { default: fallback, onRefused, ward } = options
  if (fallback !== undefined) checkGuardSetting('modelward: default', fallback)
  if (app.hasRequestDecorator('caller'))
    throw new TypeError(
      'modelward: this app, or one around it, is guarded already, or has a `caller` of its own',
    )
  const { guard } = ward
  const settingOf = createSettings(fallback)
  app.decorateRequest('caller', { getter: getCaller })
  holdContinue(app)
  recordAnswers(app, guard, options.onUnrecorded)
  if (options.answersThrown !== false && hasDefaultErrorHandler(app))
    app.setErrorHandler(function modelwardProblems(error, request, reply) {
      return answerThrown(request, reply, error)
    })
  app.addHook('onRoute', (route) => {
    const { url, config } = route
    if (config?.guard !== undefined) checkGuardSetting(`modelward: ${url}: config.guard`, config.guard)
    rememberRoute(route, guard, config?.guard ?? fallback ?? noDemand)
    route.handler = holdingDuring(route.handler, guard)
  })
  // A root hook, not `onRoute`: it covers routes declared before this plugin, sub-apps and unknown
  // paths as well, and runs before any byte of the body is read.
  app.addHook('onRequest', function modelwardGuard(request, reply, next) {
    try {
      const setting = settingOf(request)
      if (setting === 'public') {
        next()
        return
      }
      const exchange = openExchange(guard, request, reply)
      const verdict = guard.admit(exchange, setting)
      if (verdict instanceof Promise)
        verdict
          .then(function answerSettled(settled) {
            answer(settled, exchange, request, reply, next)
          })
          .catch((thrown: unknown) => failWith(options, asError(thrown), request, reply, next))
      else answer(verdict, exchange, request, reply, next)
    } catch (thrown) {
      // Nothing but an error may reach Fastify: it takes anything less for leave to go on.
      failWith(options, asError(thrown), request, reply, next)
    }
  })

  function answer(
    verdict: Verdict<Caller | null>,
    exchange: Exchange,
    request: FastifyRequest,
    reply: FastifyReply,
    next: HookHandlerDoneFunction,
  ): void {
    if (verdict.admitted) {
      if (verdict.usage !== noUsage) sendUsage(request, reply, verdict.usage)
      const waiting = recordUpgrade(exchange, request, reply)
      if (waiting === undefined) next()
      else
        waiting.then(
          function goOn() {
            next()
          },
          (fault) => failWith(options, asError(fault), request, reply, next),
        )
    } else if (onRefused?.(request, reply, verdict.refusal) !== true) {
      answerProblem(request, reply, verdict.refusal)
    }
  }
}

/**
 * Guards a whole app: every route asks for a key, whenever and wherever it was declared, unknown
 * paths too, unless its `config.guard` says `'public'`; a `Demand` there refines what it asks.
 * Registered in a scope, it guards that scope. A refusal is answered as a problem before the body
 * is read.
 *
 * @throws TypeError, when it is registered: wrong options, a wrong `config.guard`, an app that is
 *   guarded already
 * @example
 * await app.register(modelward, { ward })
 * const guard = { scope: 'predict' }
 * app.post('/predict', { config: { guard } }, async (request) => request.caller.owner)
 */
export const modelward: FastifyPluginCallback<GuardPluginOptions> = plugin(register, {
  name: 'modelward',
  fastify: '5.x',
})

/**
 * The caller of a request, as the ward's schemes type it: null is possible where one of them has
 * `autoError: false`.
 *
 * @throws TypeError where no guard has admitted the request: its route is public, or not guarded
 */
export function callerOf<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  request: FastifyRequest,
): CallerOf<Required> {
  return admittedExchange(ward.guard, request).caller as CallerOf<Required>
}

/**
 * What a request has taken of its limits: how they stand, to hold its place among those at once for
 * work that goes on, and to hand it on to a job. What a handler uses it reserves by `ward.reserve`.
 *
 * @throws TypeError where no guard has admitted the request: its route is public, or not guarded
 */
export function usageOf(ward: { readonly guard: Guard }, request: FastifyRequest): RequestUsage {
  return openUsage(ward.guard, request)
}

/** The caller of a request; undefined for an anonymous one, and on a public route. */
export function findCaller(request: FastifyRequest): Caller | undefined {
  return findExchange(request)?.caller ?? undefined
}

/**
 * Sends the client the status of its limits, and ends what is counted at once when the answer is
 * gone.
 */
function sendUsage(request: FastifyRequest, reply: FastifyReply, usage: Usage): void {
  const send = (): void => {
    if (!reply.raw.headersSent) reply.headers(usage.headers)
  }
  send()
  usage.onStates(send)
  endWithAnswer(reply.raw, usage, logTo(request))
}

function logTo(request: FastifyRequest): (fault: Fault) => void {
  return (fault) => request.log.error({ err: fault.cause ?? fault }, fault.message)
}

/** A handler whose request is under way until the handler has settled, its answer gone or not. */
function holdingDuring(handler: RouteHandlerMethod, guard: Guard): RouteHandlerMethod {
  return function handleHeld(request, reply) {
    const answer: unknown = handler.call(this, request, reply)
    // A reply can be awaited too, and settles when it is sent: only a promise tells of work.
    if (answer instanceof Promise) {
      const usage = guard.find(request)?.usage
      if (usage?.isOpen) holdDuring(usage, answer, logTo(request))
    }
    return answer
  }
}

/**
 * Answers the guard's own faults: Fastify's default error handler would send the client their
 * cause.
 */
function failWith(
  { answersThrown }: GuardPluginOptions,
  error: Error,
  request: FastifyRequest,
  reply: FastifyReply,
  next: HookHandlerDoneFunction,
): void {
  const isLeft = answersThrown === false && !hasDefaultErrorHandler(request.server)
  if (error instanceof Fault && !isLeft) answerThrown(request, reply, error)
  else next(error)
}

function hasDefaultErrorHandler({ errorHandler }: FastifyInstance): boolean {
  return errorHandler.name === 'defaultErrorHandler'
}

/**
 * What each route demands. Routes declared before the plugin are checked when they are first asked
 * for.
 */
function createSettings(fallback: GuardSetting | undefined): (request: FastifyRequest) => GuardSetting {
  const checked = new WeakSet<Demand>()
  return function settingOf({ routeOptions, is404 }) {
    const setting = routeOptions.config.guard
    if (setting === undefined) return fallback ?? (is404 ? unknownPathDemand : noDemand)
    if (typeof setting === 'object' && checked.has(setting)) return setting
    checkGuardSetting(`modelward: ${routeOptions.url}: config.guard`, setting)
    if (typeof setting === 'object') checked.add(setting)
    return setting
  }
}

function getCaller(this: FastifyRequest): Caller {
  const caller = findExchange(this)?.caller
  if (caller) return caller
  throw new TypeError('no caller was admitted for this request: its route is public, or its scheme optional')
}
