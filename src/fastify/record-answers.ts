import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import type { Exchange, LeavingAnswer } from '../guard/exchange.ts'
import { isKeptHeader } from '../guard/fault-headers.ts'
import type { Guard } from '../guard/guard.ts'
import { NodeHead } from '../guard/node/node-head.ts'
import { holdAnswer } from '../guard/node/recorded-response.ts'
import { errorToLog, findAnsweredCode } from './answer-problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the guard knows of the request; read `caller` instead. */
    [exchange]: Exchange | undefined
    /** Whom the guard tells of what could not be recorded. */
    readonly [unrecordedListener]: UnrecordedListener
  }
}

export const exchange: unique symbol = Symbol('exchange')
const unrecordedListener: unique symbol = Symbol('unrecorded listener')

/** Told of an answer that could not be recorded. */
export type UnrecordedListener = (request: FastifyRequest, fault: Fault) => void

const logFault: UnrecordedListener = (request, fault) =>
  request.log.error({ err: errorToLog(fault), code: fault.code }, fault.message)

const notWritten = 'a record was not written'

/** Has each answer of the guarded requests wait for its record; the hooks are not even there where nothing is recorded. */
export function recordAnswers(
  app: FastifyInstance,
  { recorder }: Guard,
  onUnrecorded: UnrecordedListener = logFault,
): void {
  app.decorateRequest(exchange, undefined)
  app.decorateRequest(unrecordedListener, onUnrecorded)
  if (!recorder.isOn) return
  app.addHook('onSend', holdSend)
  app.addHook('onResponse', (request, reply, done) => {
    const recording = request[exchange]
    // The client has gone, or somebody has written past Fastify.
    if (recording?.isOpen === true)
      recording.abort((fault) => recorder.onFault(notWritten, fault), leavingAnswer(request, reply))
    done()
  })
}

/** The exchange of a request, begun by its outermost guard. */
export function openExchange(gate: Guard, request: FastifyRequest, reply: FastifyReply): Exchange {
  const opened = gate.open(request, () => new NodeHead(request.raw, request), request.method)
  request[exchange] = opened
  if (gate.recorder.isOn) reply.hijack = hijackHeld
  return opened
}

/**
 * An upgrade to another protocol has no answer that could be held: that it was let in is recorded before its handler runs, and that it is
 * over when the connection is. Undefined: nobody has to wait.
 */
export function recordUpgrade(request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined {
  const recording = request[exchange]
  if (recording === undefined || !isUpgrade(request)) return undefined
  return recording.start({ ...leavingAnswer(request, reply), status: null })
}

function isUpgrade({ raw }: FastifyRequest): boolean {
  return raw.headers.upgrade !== undefined
}

function leavingAnswer(request: FastifyRequest, reply: FastifyReply): LeavingAnswer {
  return {
    status: reply.statusCode,
    code: findAnsweredCode(request),
    route: request.is404 ? null : (request.routeOptions.url ?? null),
    requestId: request.id,
  }
}

type Done = (error?: Error | null, payload?: unknown) => void

function holdSend(request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void {
  const opened = request[exchange]
  if (opened?.isOpen !== true) {
    done()
    return
  }
  const body = openResponse(reply, payload)
  if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.id)
  if (!isWhole(body)) {
    holdRaw(request, reply, opened)
    done(null, body)
    return
  }
  const waiting = opened.answer(leavingAnswer(request, reply))
  if (waiting === undefined) {
    done(null, body)
    return
  }
  waiting.then(
    () => orDestroy(request, reply, () => done(null, body)),
    (fault: unknown) => orDestroy(request, reply, () => answerFault(request, reply, fault)),
  )
}

/** A text, bytes or nothing: one record, before it leaves. Whatever else it is comes in pieces, held where they are written. */
function isWhole(body: unknown): boolean {
  return body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array
}

/** Nobody is left on the stack to catch what Fastify throws, of a header that cannot be written: it would end the process. */
function orDestroy(request: FastifyRequest, reply: FastifyReply, write: () => void): void {
  try {
    write()
  } catch (thrown) {
    request.log.error({ err: thrown }, 'an answer could not be written')
    reply.raw.destroy()
  }
}

/** Answers with the fault in the place of an answer that was ready: past Fastify, which would add that answer's headers and trailers. */
function answerFault(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
  if (!(thrown instanceof Fault)) throw thrown
  request[unrecordedListener](request, thrown)
  const { raw } = reply
  const given = { ...raw.getHeaders(), ...reply.getHeaders() }
  for (const name of raw.getHeaderNames()) raw.removeHeader(name)
  const kept = Object.entries(given).filter(([name]) => isKeptHeader(name))
  const { status, headers, body } = problemOf(thrown, request.id)
  const text = JSON.stringify(body)
  raw.writeHead(status, {
    ...Object.fromEntries(kept),
    ...headers,
    'x-request-id': request.id,
    'content-length': Buffer.byteLength(text),
  })
  raw.end(text)
}

/** A web-standard `Response` as Fastify will send it: its status and its headers on the reply, and its body. */
function openResponse(reply: FastifyReply, payload: unknown): unknown {
  if (!(payload instanceof Response)) return payload
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  return payload.body
}

function holdRaw(request: FastifyRequest, reply: FastifyReply, recording: Exchange): void {
  holdAnswer(reply.raw, {
    recording,
    describe: () => leavingAnswer(request, reply),
    requestId: request.id,
    onFault: (fault) => request[unrecordedListener](request, fault),
  })
}

/** In the place of `reply.hijack`: whoever writes to the response by themselves writes to one that waits for its record. */
function hijackHeld(this: FastifyReply): FastifyReply {
  const { request } = this
  const recording = request[exchange]
  const hijacked = Reflect.apply(Object.getPrototypeOf(this).hijack, this, []) as FastifyReply
  if (recording?.isOpen !== true) return hijacked
  if (isUpgrade(request)) {
    const onFault = (fault: unknown): void => request.log.error({ err: fault }, notWritten)
    request.raw.socket.once('close', () => void recording.finish()?.catch(onFault))
    return hijacked
  }
  if (!this.raw.hasHeader('x-request-id')) this.raw.setHeader('x-request-id', request.id)
  holdRaw(request, this, recording)
  return hijacked
}
