import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Fault } from '../../core/fault.ts'
import type { WrittenJson } from '../../core/written-json.ts'
import type { ByteBudget, ByteLease } from './byte-budget.ts'

/** A shorter body or answer holds nothing: a connection has few of them under way. */
const smallMax = 4_096
/** A text and its bytes, while they leave. */
const bytesPerCharacter = 2

const leases = new WeakMap<IncomingMessage, ByteLease>()

/** A request, whose bytes count until its answer is gone. */
export interface BytesHolder {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly owner: string
}

/** Holds the bytes of a body that is about to be read. @throws Fault `overloaded` */
export function holdBody(budget: ByteBudget, bytes: number, holder: BytesHolder): void {
  if (bytes > smallMax) holdMore(budget, bytes, holder)
}

/** Holds the bytes of an answer that is about to leave. @throws Fault `overloaded` */
export function holdAnswer(budget: ByteBudget, answer: WrittenJson, holder: BytesHolder): void {
  if (answer.length > smallMax) holdMore(budget, answer.length * bytesPerCharacter, holder)
}

function holdMore(budget: ByteBudget, bytes: number, { request, response, owner }: BytesHolder): void {
  // The answer is gone already: nothing would ever release them.
  if (response.closed) return
  let lease = leases.get(request)
  if (lease === undefined) {
    const opened = budget.lease(owner)
    lease = opened
    leases.set(request, opened)
    response.once('close', () => leases.get(request)?.release())
  }
  lease.hold(lease.bytes + bytes)
}

/** Holds so many bytes for a body that has been read, in the place of its length. */
export function holdParsed(request: IncomingMessage, bytes: number): void {
  leases.get(request)?.hold(bytes)
}

/** Gives what a request holds to work that may go on when its answer is gone, and releases it. */
export function takeHeld(request: IncomingMessage): ByteLease | undefined {
  const lease = leases.get(request)
  leases.delete(request)
  return lease
}

/**
 * Holds the bytes of bodies and of large answers within a budget. A body counts before it is read:
 * with its length, or where that is not known, with the most that its route reads.
 *
 * @param ownerOf whose request it is
 */
export function boundBytesInFlight(
  app: FastifyInstance,
  budget: ByteBudget,
  ownerOf: (request: FastifyRequest) => string,
): void {
  const holderOf = (request: FastifyRequest, reply: FastifyReply): BytesHolder => ({
    request: request.raw,
    response: reply.raw,
    owner: ownerOf(request),
  })
  app.addHook('preParsing', function holdBodyBytes(request, reply, payload, done) {
    try {
      holdBody(budget, bodyBytesOf(request), holderOf(request, reply))
      done(null, payload)
    } catch (fault) {
      done(fault as Fault)
    }
  })
  app.addHook('onSend', function holdAnswerBytes(request, reply, payload: unknown, done) {
    try {
      if (typeof payload === 'string' || payload instanceof Uint8Array)
        holdAnswer(budget, payload, holderOf(request, reply))
      done(null, payload)
    } catch (fault) {
      done(fault as Fault)
    }
  })
}

function bodyBytesOf({ headers, routeOptions }: FastifyRequest): number {
  const most = routeOptions.bodyLimit ?? 0
  if (headers['transfer-encoding'] !== undefined) return most
  // A longer one is refused before it is read.
  return Math.min(Number(headers['content-length'] ?? 0), most)
}
