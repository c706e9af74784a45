import { pipeline, Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { LeavingAnswer, RequestRecording } from '../guard/exchange.ts'
import { isKeptHeader } from '../guard/fault-headers.ts'
import type { Gate } from '../guard/guard.ts'
import { holdAnswer } from '../guard/node/recorded-response.ts'
import { HeldEnd } from '../guard/node/recorded-stream.ts'
import type { Recorder } from '../guard/recorder.ts'
import { errorToLog, findAnsweredCode } from './answer-problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's record, where the ward keeps any. */
    [requestRecording]: RequestRecording | undefined
    /** Whom the guard tells of what could not be recorded. */
    readonly [unrecordedListener]: UnrecordedListener
  }
}

const requestRecording: unique symbol = Symbol('recording')
const unrecordedListener: unique symbol = Symbol('unrecorded listener')

/** Told of an answer that could not be recorded. */
export type UnrecordedListener = (request: FastifyRequest, fault: Fault) => void

const logFault: UnrecordedListener = (request, fault) =>
  request.log.error({ err: errorToLog(fault), code: fault.code }, fault.message)

const notWritten = 'a record was not written'

/** Has each answer of the guarded requests wait for its record; the hooks are not even there where nothing is recorded. */
export function recordAnswers(
  app: FastifyInstance,
  { recorder }: Gate,
  onUnrecorded: UnrecordedListener = logFault,
): void {
  app.decorateRequest(requestRecording, undefined)
  app.decorateRequest(unrecordedListener, onUnrecorded)
  if (!recorder.isOn) return
  app.addHook('onSend', holdSend)
  app.addHook('onResponse', (request, reply, done) => {
    const recording = request[requestRecording]
    // The client has gone, or somebody has written past Fastify.
    if (recording?.isOpen === true)
      recording.abort((fault) => recorder.onFault(notWritten, fault), leavingAnswer(request, reply))
    done()
  })
}

/** Begins to record a request; undefined where nothing is recorded. */
export function beginRecording(
  recorder: Recorder,
  head: RequestHead,
  request: FastifyRequest,
  reply: FastifyReply,
): RequestRecording | undefined {
  if (!recorder.isOn) return undefined
  const recording = recorder.begin(request, head, request.method)
  request[requestRecording] = recording
  reply.hijack = hijackHeld
  return recording
}

/** The request's recording, for the guard to say what it decided. */
export function findRecording(request: FastifyRequest): RequestRecording | undefined {
  return request[requestRecording]
}

/**
 * An upgrade to another protocol has no answer that could be held: that it was let in is recorded before its handler runs, and that it is
 * over when the connection is. Undefined: nobody has to wait.
 */
export function recordUpgrade(request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined {
  const recording = request[requestRecording]
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
  const recording = request[requestRecording]
  if (recording?.isOpen !== true) {
    done()
    return
  }
  const body = openResponse(reply, payload)
  const isInPieces = isStream(body) && recording.isInPieces && mayHaveBody(request, reply)
  if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.id)
  const answer = leavingAnswer(request, reply)
  const waiting = isInPieces ? recording.start(answer) : recording.answer(answer)
  const send = (): void => done(null, isInPieces ? holdEnd(recording, body, request, reply) : body)
  if (waiting === undefined) {
    send()
    return
  }
  waiting.then(
    () => orDestroy(request, reply, send),
    (fault: unknown) =>
      orDestroy(request, reply, () => {
        discard(body)
        answerFault(request, reply, fault)
      }),
  )
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

type Pieces = NodeJS.ReadableStream | ReadableStream

function isStream(body: unknown): body is Pieces {
  if (typeof body !== 'object' || body === null) return false
  const { pipe, getReader } = body as { readonly pipe?: unknown; readonly getReader?: unknown }
  return typeof pipe === 'function' || typeof getReader === 'function'
}

/** A web-standard `Response` as Fastify will send it: its status and its headers on the reply, and its body. */
function openResponse(reply: FastifyReply, payload: unknown): unknown {
  if (!(payload instanceof Response)) return payload
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  return payload.body
}

function mayHaveBody({ method }: FastifyRequest, { statusCode }: FastifyReply): boolean {
  return method !== 'HEAD' && statusCode >= 200 && statusCode !== 204 && statusCode !== 304
}

function holdEnd(
  recording: RequestRecording,
  body: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): HeldEnd {
  const pieces = body as Pieces
  const source =
    'getReader' in pieces ? Readable.fromWeb(pieces as Parameters<typeof Readable.fromWeb>[0]) : pieces
  const length = reply.getHeader('content-length')
  const held = new HeldEnd(recording, length === undefined ? undefined : Number(length))
  held.once('close', () => {
    // What broke before its first byte Fastify answers anew, and that is recorded as any answer.
    if (reply.raw.destroyed) recording.abort((fault) => request.log.error({ err: fault }, notWritten))
  })
  // What breaks the source breaks the answer, which Fastify looks after.
  return pipeline(source, held, () => {})
}

function discard(body: unknown): void {
  if (!isStream(body)) return
  if ('getReader' in body) body.cancel().catch(() => {})
  else if ('destroy' in body && typeof body.destroy === 'function') body.destroy()
}

/** In the place of `reply.hijack`: whoever writes to the response by themselves writes to one that waits for its record. */
function hijackHeld(this: FastifyReply): FastifyReply {
  const { request } = this
  const recording = request[requestRecording]
  const hijacked = Reflect.apply(Object.getPrototypeOf(this).hijack, this, []) as FastifyReply
  if (recording?.isOpen !== true) return hijacked
  if (isUpgrade(request)) {
    const onFault = (fault: unknown): void => request.log.error({ err: fault }, notWritten)
    request.raw.socket.once('close', () => void recording.finish()?.catch(onFault))
    return hijacked
  }
  if (!this.raw.hasHeader('x-request-id')) this.raw.setHeader('x-request-id', request.id)
  holdAnswer(this.raw, {
    recording,
    describe: () => leavingAnswer(request, this),
    requestId: request.id,
    onFault: (fault) => request[unrecordedListener](request, fault),
  })
  return hijacked
}
