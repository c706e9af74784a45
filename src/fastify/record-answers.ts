import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../core/fault.ts'
import { findExchange } from '../guard/exchange/attached-exchange.ts'
import type { Answer, Exchange } from '../guard/exchange/exchange.ts'
import { faultAnswer } from '../guard/exchange/fault-answer.ts'
import type { Guard } from '../guard/guard.ts'
import { hasLeftSending } from '../guard/node/left-sending.ts'
import { NodeHead } from '../guard/node/node-head.ts'
import { recordResponse } from '../guard/node/recorded-response.ts'
import { errorToLog } from './answer-problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Reports answers that could not be recorded. */
    readonly [unrecordedListener]: UnrecordedListener
  }
}

const unrecordedListener: unique symbol = Symbol('unrecorded listener')

/** Called for an answer that could not be recorded. */
export type UnrecordedListener = (request: FastifyRequest, fault: Fault) => void

const logFault: UnrecordedListener = (request, fault) =>
  request.log.error({ err: errorToLog(fault), code: fault.code }, fault.message)

/**
 * Has each answer of the guarded requests wait for its record; no hook is added where nothing is
 * recorded.
 */
export function recordAnswers(
  app: FastifyInstance,
  guard: Guard,
  onUnrecorded: UnrecordedListener = logFault,
): void {
  app.decorateRequest(unrecordedListener, onUnrecorded)
  if (guard.measures.isOn) measureUnguarded(app, guard)
  if (!guard.isRecorded) return
  app.addHook('onSend', recordSend)
  app.addHook('onResponse', recordAbort)
}

/** Counts the answers of requests that no guard sees: of public routes, and refused ahead of it. */
function measureUnguarded(app: FastifyInstance, { find, beginUnguarded }: Guard): void {
  app.addHook('onResponse', function measureRequest(request, reply, done) {
    if (find(request) === undefined) {
      const { route, status } = answerOf(request, reply)
      const { method } = request
      // Begun here: one that was refused ahead of all hooks of ours has begun nowhere.
      beginUnguarded(request)?.({ route, method, status, ms: reply.elapsedTime })
    }
    done()
  })
}

/** The exchange of a request, opened by its outermost guard. */
export function openExchange(guard: Guard, request: FastifyRequest, reply: FastifyReply): Exchange {
  const known = guard.find(request)
  if (known !== undefined) return known
  const exchange = guard.open(request, new NodeHead(request.raw, request), request.method, request.id)
  if (!guard.isRecorded) return exchange
  if (isWrittenPast(request)) recordNamedRaw(exchange, request, reply)
  else reply.hijack = hijackRecorded
  return exchange
}

/**
 * Whether this app hands Node's own response to others, who write to it without a word to Fastify:
 * to middleware of Express, by `@fastify/middie`, which every app of NestJS has and whose `@Sse()`
 * does so too. All that is written there then waits for its record, Fastify's own writes too.
 */
function isWrittenPast(request: FastifyRequest): boolean {
  return 'use' in request.server && !isUpgrade(request)
}

/**
 * Whether Node hands the connection over. To an offer that nothing of this server takes up, such as
 * `h2c` of Java's HTTP client, it answers as to any other request (RFC 9110 §7.8).
 */
function isUpgrade({ server, raw }: FastifyRequest): boolean {
  return raw.headers.upgrade !== undefined && server.server.listenerCount('upgrade') > 0
}

/**
 * An upgrade to another protocol has no answer that could wait: that it was admitted is recorded
 * before its handler runs, and its end when the connection closes. Undefined: no need to wait.
 */
export function recordUpgrade(
  exchange: Exchange,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> | undefined {
  if (!isUpgrade(request)) return undefined
  return exchange.start({ ...answerOf(request, reply), status: null })
}

function answerOf(request: FastifyRequest, reply: FastifyReply): Answer {
  return {
    status: reply.statusCode,
    // Undefined for an unknown path.
    route: request.routeOptions.url ?? null,
    requestId: request.id,
  }
}

type Done = (error?: Error | null, payload?: unknown) => void

function recordSend(request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void {
  const exchange = findExchange(request)
  if (exchange?.isOver !== false) {
    done()
    return
  }
  if (hasLeftSending(request.raw)) {
    exchange.abort({ ...answerOf(request, reply), status: null })
    done()
    return
  }
  const body = payload instanceof Response ? openResponse(reply, payload) : payload
  if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.id)
  if (isWrittenPast(request)) {
    done(null, body)
    return
  }
  const isWhole =
    body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array
  // A stream is recorded as it is written, anything else before it leaves.
  if (!isWhole) recordRaw(exchange, request, reply)
  const waiting = isWhole ? exchange.answer(answerOf(request, reply)) : undefined
  const send = (): void => done(null, body)
  if (waiting === undefined) send()
  else void sendRecorded(waiting, request, reply, send)
}

/** Sends an answer once its record is durable, or the fault in its place. */
async function sendRecorded(
  waiting: Promise<void>,
  request: FastifyRequest,
  reply: FastifyReply,
  send: () => void,
): Promise<void> {
  let fault: unknown
  try {
    await waiting
  } catch (thrown) {
    fault = thrown
  }
  try {
    if (fault === undefined) send()
    else answerFault(request, reply, fault)
  } catch (thrown) {
    // Fastify throws of a header that cannot be written: uncaught, it would end the process.
    request.log.error({ err: thrown }, 'an answer could not be written')
    reply.raw.destroy()
  }
}

/** The client has gone, or the app has written past Fastify. */
function recordAbort(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  const exchange = findExchange(request)
  if (exchange?.isOver === false && !exchange.isOwned) exchange.abort(answerOf(request, reply))
  done()
}

/**
 * Answers with a fault past Fastify, which would add the headers and trailers of the answer that
 * was ready.
 */
function answerFault(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
  if (!(thrown instanceof Fault)) throw thrown
  request[unrecordedListener](request, thrown)
  const { raw } = reply
  const before = { ...raw.getHeaders(), ...reply.getHeaders() }
  for (const name of raw.getHeaderNames()) raw.removeHeader(name)
  const { status, headers, text } = faultAnswer(thrown, request.id, before)
  raw.writeHead(status, headers)
  raw.end(text)
}

/**
 * A web-standard `Response` as Fastify will send it: its status and its headers on the reply, and
 * its body.
 */
function openResponse(reply: FastifyReply, payload: Response): unknown {
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  return payload.body
}

function recordRaw(exchange: Exchange, request: FastifyRequest, reply: FastifyReply): void {
  recordResponse(reply.raw, {
    exchange,
    describe: () => answerOf(request, reply),
    onFault: (fault) => request[unrecordedListener](request, fault),
  })
}

/**
 * In the place of `reply.hijack`: the handler then writes to a response that waits for its record.
 */
function hijackRecorded(this: FastifyReply): FastifyReply {
  const { request } = this
  const exchange = findExchange(request)
  const hijacked = Reflect.apply(Object.getPrototypeOf(this).hijack, this, []) as FastifyReply
  if (exchange?.isOpen !== true || exchange.isOwned) return hijacked
  if (isUpgrade(request)) {
    const onFault = (fault: unknown): void => request.log.error({ err: fault }, 'a record was not written')
    const finish = (): void => void exchange.finish()?.catch(onFault)
    const { socket } = request.raw
    if (socket.closed) finish()
    else socket.once('close', finish)
    return hijacked
  }
  recordNamedRaw(exchange, request, this)
  return hijacked
}

/** As `recordRaw`, for an answer that carries its request's id, or another that the app gives. */
function recordNamedRaw(exchange: Exchange, request: FastifyRequest, reply: FastifyReply): void {
  if (!reply.raw.hasHeader('x-request-id')) reply.raw.setHeader('x-request-id', request.id)
  recordRaw(exchange, request, reply)
}
