import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Refusal } from '../../core/refusal.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import type { PlainAnswer } from '../../idempotency/run-once.ts'

/** 1 to 255 visible ASCII characters. */
const keyPattern = /^[\x21-\x7e]{1,255}$/

/**
 * Reads `Idempotency-Key`, quoted as the draft has it or bare as most clients send it
 * (draft-ietf-httpapi-idempotency-key-header); undefined without the header.
 *
 * @param action what is done
 * @param input what the request sent: a retry must send the same
 * @throws Refusal `input_invalid`
 */
export function readIdempotency(
  request: FastifyRequest,
  action: string,
  input: unknown = request.body ?? null,
): Idempotency | undefined {
  const header = request.headers['idempotency-key']
  if (header === undefined) return undefined
  const text = String(header)
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text
  // A quote on one side only is neither form.
  if (!keyPattern.test(key) || /^"|"$/.test(key)) {
    const msg = 'expected 1 to 255 visible ASCII characters'
    throw new Refusal('input_invalid', undefined, {
      errors: [{ loc: ['header', 'Idempotency-Key'], msg, type: 'idempotency_key' }],
    })
  }
  return { owner: request.caller.owner, key, request: [action, input], requestId: request.id }
}

/** The request header that has a retry answered as the first time, for OpenAPI. */
export const idempotencyHeaders: z.ZodObject = z.object({
  'Idempotency-Key': z
    .string()
    .optional()
    .describe(
      'A retry with the same key and body gets the same answer for 24 hours. 1 to 255 visible ASCII characters.',
    ),
})

/** Sends an answer that is stored for retries, or was. */
export function sendStored(reply: FastifyReply, { status, headers, body }: PlainAnswer): FastifyReply {
  return reply.code(status).headers(headers).send(body)
}
