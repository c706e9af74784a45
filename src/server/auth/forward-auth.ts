import { METHODS } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ForwardAuthRules } from '../../config/forward-auth/forward-auth.ts'
import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import { Refusal } from '../../core/refusal.ts'
import { answerProblem, closeOverBody } from '../../fastify/answer-problem.ts'
import type { Demand } from '../../guard/demand.ts'
import type { Exchange } from '../../guard/exchange/exchange.ts'
import type { Guard } from '../../guard/guard.ts'
import { NodeHead } from '../../guard/node/node-head.ts'
import { classifyError } from '../http/classify-error.ts'
import { logProblem, placeOf } from '../http/handle-errors.ts'
import type { Log } from '../http/log.ts'
import { problemLine } from '../http/problem-line.ts'
import { endAtOnce } from './end-at-once.ts'
import { leaveHeaders } from './forward-auth-answer.ts'
import { createForwardRules, type ForwardRule, type ForwardTarget, refuseWith } from './forward-auth-rules.ts'
import {
  type ForwardedRequest,
  forwardAuthPrefix,
  malformed,
  readForwarded,
  readPath,
} from './forwarded-request.ts'
import { createPeerCheck, type PeerOptions } from './untrusted-peers.ts'

export interface ForwardAuthOptions extends PeerOptions {
  readonly forwardAuth: ForwardAuthRules
  readonly guard: Guard
  readonly log: Log
}

/** The one route that Fastify sees. */
const route = `${forwardAuthPrefix}*`

/**
 * What Fastify shall route in place of what a proxy asks about: behind the rule stands a path of
 * another server, which this one's router would judge by its own rules.
 */
export function hideForwarded({ url = '' }: { readonly url?: string | undefined }): string {
  return url.startsWith(forwardAuthPrefix) ? route : url
}

/** Whether a request is a proxy's question; its own method and path are then another's. */
export function isForwardAuth({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.url === route
}

const untrusted = new Refusal(
  'forbidden',
  'Only a proxy may ask for the verdict on a forwarded request: one on this machine, or one that `--trust-proxy` names.',
)
const notFound = refuseWith(new Refusal('not_found'))
const noRule = refuseWith(
  new Refusal('not_found', 'The proxy asks by a rule that `forwardAuth` does not have.'),
)

/**
 * Answers whether a request may pass that a proxy has not forwarded yet: `/v1/forward-auth/{rule}`,
 * by any method, whose body is not read.
 */
export function addForwardAuth(app: FastifyInstance, options: ForwardAuthOptions): void {
  const rules = createForwardRules(options.forwardAuth, notFound)
  const mayAsk = createPeerCheck(options)
  // Some proxies ask by the method of the request that they ask about.
  for (const method of METHODS)
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method)
  app.route({
    url: route,
    method: app.supportedMethods,
    schema: { hide: true },
    // Opened here, where the request is known that is asked about.
    config: { guard: 'public' },
    // Not the handler: Fastify reads the body before it. And no promise, behind which Fastify goes
    // on to the handler where the proxy has left before its answer.
    onRequest(request, reply, done) {
      answerProxy(options, rules, mayAsk, request, reply).catch(done)
    },
    // What is refused before, such as a head with two hosts.
    errorHandler: (error, request, reply) => refuse(options.log, request, reply, classifyError(error)),
    handler: () => {
      throw new Error('a question of a proxy is answered before its body is read')
    },
  })
}

async function answerProxy(
  { guard, log }: ForwardAuthOptions,
  rules: ReadonlyMap<string, ForwardRule>,
  mayAsk: ReturnType<typeof createPeerCheck>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const forwarded = readForwarded(request.raw, request.originalUrl)
  const target = mayAsk(request.raw) ? findTarget(rules, forwarded) : undefined
  if (target?.setting === 'public') {
    leave(request, reply, leaveHeaders('public', null, {}))
    return
  }
  const exchange = guard.open(request, new NodeHead(request.raw, request), forwarded.method, request.id)
  const thrown = await record(exchange, target?.route ?? unnamedRoute, await decide(guard, exchange, target))
  if (thrown === undefined)
    leave(request, reply, leaveHeaders('admitted', exchange.caller, exchange.usage.headers))
  else refuse(log, request, reply, thrown)
}

function refuse(
  log: Log,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: Refusal | Fault,
): FastifyReply {
  logProblem(log, placeOf(request), thrown)
  reply.header('x-modelward-problem', problemLine(problemOf(thrown, request.id).body))
  return answerProblem(request, reply, thrown)
}

/** What the request has to fulfil, by the rule that is asked. */
function findTarget(rules: ReadonlyMap<string, ForwardRule>, forwarded: ForwardedRequest): ForwardTarget {
  const rule = forwarded.rule === undefined ? undefined : rules.get(forwarded.rule)
  if (rule === undefined) return { route: unnamedRoute, setting: noRule }
  const refused = (setting: Demand): ForwardTarget => ({ route: rule.unlisted.route, setting })
  const { method, overrides, path, isDoubled, hasTwoPaths } = forwarded
  if (isDoubled) return refused(malformed.doubled)
  if (!rule.hasRoutes) return rule.unlisted
  if (method === undefined) return refused(malformed.noMethod)
  if (path === undefined) return refused(malformed.noPath)
  if (hasTwoPaths) return refused(malformed.twoPaths)
  const readings = readPath(path)
  if (readings === undefined) return refused(malformed.path)
  return rule.find([method, ...overrides], readings) ?? refused(malformed.ambiguous)
}

/** Of what names no rule that there is: its text is the client's. */
const unnamedRoute = 'forward-auth'

/** Why the request may not pass; undefined where it may. What it had at once is given back. */
async function decide(
  guard: Guard,
  exchange: Exchange,
  target: ForwardTarget | undefined,
): Promise<Refusal | Fault | undefined> {
  if (target === undefined || target.setting === 'public')
    return exchange.decide({ admitted: false, refusal: untrusted }).refusal
  try {
    const verdict = await guard.admit(exchange, target.setting)
    if (!verdict.admitted) return verdict.refusal
    await endAtOnce(verdict.usage)
    return undefined
  } catch (fault) {
    return classifyError(fault)
  }
}

/** Waits until the verdict is recorded. What it then is: a fault where it cannot be. */
async function record(
  exchange: Exchange,
  named: string,
  thrown: Refusal | Fault | undefined,
): Promise<Refusal | Fault | undefined> {
  exchange.problem = thrown
  try {
    await exchange.answer({ status: thrown?.status ?? 200, route: named, requestId: exchange.id })
    return thrown
  } catch (fault) {
    return classifyError(fault)
  }
}

function leave(
  request: FastifyRequest,
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
): void {
  closeOverBody(request, reply)
  reply.code(200).headers(headers).send()
}
