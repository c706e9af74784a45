import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import type { Caller } from '../core/caller.ts'
import type { Demand, GuardSetting } from '../core/demand.ts'
import type { Refusal } from '../core/refusal.ts'
import type { Verdict } from '../core/verdict.ts'
import type { Gate } from '../gate/gate.ts'
import { answerProblem } from './answer-problem.ts'
import { holdContinue, sendContinue } from './continue.ts'
import { FastifyHead } from './fastify-head.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is calling. Throws where no caller was admitted, so that a forgotten guard fails closed. */
    readonly caller: Caller
    /** What the guard decided; read `caller` instead. */
    [admittedCaller]: Caller | null | undefined
  }
  interface FastifyContextConfig {
    /** What this route demands of its caller; `'public'` opens it to everyone. @default any key but an admin's */
    guard?: GuardSetting
  }
}

export interface GuardPluginOptions {
  readonly ward: { readonly gate: Gate }
  /** Sees each refusal before it is answered; answers in its own way by sending the reply and returning true. */
  readonly onRefused?: (request: FastifyRequest, reply: FastifyReply, refusal: Refusal) => boolean
}

const admittedCaller: unique symbol = Symbol('admitted caller')

const noDemand: Demand = {}
/** Whoever holds any key may know that a path is not there. */
const unknownPathDemand: Demand = { anyKey: true, session: 'read' }

const register: FastifyPluginCallback<GuardPluginOptions> = (app, { ward, onRefused }, done) => {
  const { gate } = ward
  app.decorateRequest(admittedCaller, undefined)
  app.decorateRequest('caller', { getter: getCaller })
  holdContinue(app)
  // A root hook, not `onRoute`: it covers routes declared before this plugin, sub-apps and unknown paths as well, and
  // runs before any byte of the body is read.
  app.addHook('onRequest', (request, reply, next) => {
    const setting = settingOf(request)
    if (setting === 'public') {
      letIn(request, reply, next)
      return
    }
    const verdict = gate.admit(new FastifyHead(request), setting)
    if (verdict instanceof Promise)
      verdict.then((settled) => answer(settled, request, reply, next), next).catch(next)
    else answer(verdict, request, reply, next)
  })

  function answer(
    verdict: Verdict<Caller | null>,
    request: FastifyRequest,
    reply: FastifyReply,
    next: () => void,
  ): void {
    if (verdict.admitted) {
      request[admittedCaller] = verdict.caller
      letIn(request, reply, next)
    } else if (onRefused?.(request, reply, verdict.refusal) !== true) {
      answerProblem(request, reply, verdict.refusal)
    }
  }
  done()
}

/**
 * Guards a whole app: every route asks for a key, whenever and wherever it was declared, unknown paths too, unless its
 * `config.guard` says `'public'`; a `Demand` there refines what it asks. A refusal is answered as a problem before the
 * body is read.
 *
 * @example
 * await app.register(modelward, { ward })
 * app.post('/predict', { config: { guard: { scope: 'predict' } } }, async (request) => request.caller.owner)
 */
export const modelward: FastifyPluginCallback<GuardPluginOptions> = plugin(register, {
  name: 'modelward',
  fastify: '5.x',
})

/** The caller of a request; null where the scheme and the route let an anonymous one pass, or the route is public. */
export function callerOf(request: FastifyRequest): Caller | null {
  return request[admittedCaller] ?? null
}

function letIn(request: FastifyRequest, reply: FastifyReply, next: () => void): void {
  if (request.raw.headers.expect !== undefined) sendContinue(request, reply)
  next()
}

function settingOf(request: FastifyRequest): GuardSetting {
  return request.routeOptions.config.guard ?? (request.is404 ? unknownPathDemand : noDemand)
}

function getCaller(this: FastifyRequest): Caller {
  const caller = this[admittedCaller]
  if (caller) return caller
  throw new TypeError('no caller was admitted for this request: its route is public, or its scheme optional')
}
