import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault, type FaultCode } from '../../core/fault.ts'
import type { Refusal } from '../../core/refusal.ts'
import { answerProblem, errorToLog } from '../../fastify/answer-problem.ts'
import { findRequestSpan } from '../../guard/exchange/request-span.ts'
import { classifyError } from './classify-error.ts'
import type { Log } from './log.ts'
import { refuseUnknownPath } from './unknown-path.ts'

/** Turns everything that is thrown into a problem; what it really was goes to the log. */
export function handleErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error, request, reply) => answerError(log, request, reply, error))
  app.setNotFoundHandler((request) => {
    throw refuseUnknownPath(app, request)
  })
}

export function answerError(
  log: Log,
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
): FastifyReply {
  const thrown = classifyError(error)
  logProblem(log, placeOf(request), thrown)
  return answerProblem(request, reply, thrown)
}

/**
 * Where a request ran into a problem: the route's pattern, not the path that was sent, for paths
 * and queries are the client's text.
 */
export interface LogPlace extends TraceIds {
  readonly request_id: string
  readonly method: string
  readonly route: string | null
}

export function placeOf(request: FastifyRequest): LogPlace {
  const { id, method, routeOptions } = request
  return { request_id: id, ...traceIdsOf(request), method, route: routeOptions.url ?? null }
}

/** Where a request stands in its trace; empty where it has none. */
export interface TraceIds {
  readonly trace_id?: string
  readonly span_id?: string
}

const untraced: TraceIds = {}

export function traceIdsOf(request: object): TraceIds {
  const { context } = findRequestSpan(request) ?? {}
  return context === undefined ? untraced : { trace_id: context.traceId, span_id: context.spanId }
}

/**
 * Logs why a request was not answered as asked. A refusal is logged at a level that is off by
 * default: a flood of bad keys must not fill the disk.
 */
export function logProblem(log: Log, at: LogPlace, thrown: Refusal | Fault): void {
  if (thrown instanceof Fault) logFault(log, at, thrown)
  else if (log.isLevelEnabled('debug'))
    log.debug({ ...at, code: thrown.code, reason: thrown.reason }, 'refused')
}

/**
 * Faults of a state, not of a request: while it lasts every request is one, and a stack says
 * nothing of it. What stands behind an outage is logged once, when it begins.
 */
const codesOfStates: readonly FaultCode[] = [
  'ledger_unavailable',
  'overloaded',
  'model_timeout',
  'upstream_unavailable',
  'upstream_failed',
  'upstream_timeout',
]

function logFault(log: Log, at: LogPlace, fault: Fault): void {
  const place = { ...at, code: fault.code }
  if (codesOfStates.includes(fault.code)) log.error({ ...place, ...causeOf(fault) }, fault.message)
  else log.error({ ...place, err: errorToLog(fault) }, fault.message)
}

/** In a few words, without a stack; nothing where the fault says it itself. */
function causeOf({ cause }: Fault): Readonly<Record<string, unknown>> {
  return cause instanceof Error ? { cause: cause.message } : {}
}
