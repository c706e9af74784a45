import type { FastifyReply } from 'fastify'
import type { PlainAnswer } from '../../idempotency/run-once.ts'

/** Sends an answer that was kept for a repeated request, or is. */
export function sendKept(reply: FastifyReply, { status, headers, body }: PlainAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body)
}
