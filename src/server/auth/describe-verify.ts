import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import { faults } from '../../core/fault.ts'
import { type RefusalCode, refusals } from '../../core/refusal.ts'
import { limitView } from '../api/keys/key-schemas.ts'
import type { RouteSchema } from '../docs/route-schema.ts'
import type { VerifyAnswer } from './verify-answer.ts'
import { verifyBody } from './verify-input.ts'

const codes = Object.keys(refusals) as [RefusalCode, ...RefusalCode[]]
const shownIfProven = '; null until the secret has matched.'

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum([...codes, ...(Object.keys(faults) as (keyof typeof faults)[])]),
  request_id: z.string(),
  errors: z
    .array(z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() }))
    .exactOptional(),
})

const answer: z.ZodType<VerifyAnswer> = z.object({
  valid: z.boolean(),
  code: z.enum(codes).nullable().describe('Why not, as `POST /predict` says it of the same key.'),
  status: z.int().describe('What the client is to be answered with.'),
  detail: z.string().nullable(),
  key_id: z.string().nullable().describe(`The key’s id${shownIfProven}`),
  name: z.string().nullable(),
  owner: z.string().nullable(),
  environment: z.enum(['live', 'test']).nullable(),
  scopes: z.array(z.string()).nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
  expires_at: z.iso.datetime().nullable().describe('When the key expires; null: never, or not proven.'),
  limits: z
    .array(limitView)
    .nullable()
    .describe('How the limits of the request stand; null where the key was refused before they were met.'),
  retry_after: z.int().nullable().describe('Seconds after which the same request could pass.'),
  headers: z.record(z.string(), z.string()).describe('For the client’s answer, whatever that is.'),
  problem: problem.nullable().describe('The body for a client that is refused.'),
  request_id: z.string().describe('Of the record.'),
})

/** What the route takes, checked by Fastify, and what OpenAPI says of it. */
export const verifySchema: FastifySchema & RouteSchema = {
  operationId: 'verifyKey',
  summary: 'Ask for the verdict on a key that a client presented to you',
  description:
    'The verdict is the guard’s: all limits of the key are taken, or none, and it is recorded under that key before it is answered. An outage is a problem with a 5xx, never `valid: false`. Asks for the scope `keys:verify`, or `admin`.',
  tags: ['keys'],
  body: verifyBody,
  describes: { answers: { 200: { description: 'A verdict, whichever it is.', schema: answer } } },
}
