import type { FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import type { AnswerKeeper } from '../../gateway/call/answer-keeper.ts'
import type { OpenRoute } from '../../gateway/routes/open-route.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import type { PlainAnswer } from '../../idempotency/run-once.ts'
import type { JobService } from '../../jobs/job-service.ts'
import { readIdempotency } from '../api/idempotency-key.ts'
import { digestOfBody, openKeeper } from './keep-answer.ts'

/** What an `Idempotency-Key` makes of a call. */
export interface Repeats {
  readonly idempotency: Idempotency
  /** Of one that asks for a stream: that is not answered twice. */
  readonly streamRefusal: Refusal
  /** See `openKeeper`. */
  readonly begin: () => Promise<AnswerKeeper | PlainAnswer>
}

/** How long after a call's own deadlines its idempotency key is free again, in milliseconds. */
const marginMs = 30_000

/**
 * Reads the `Idempotency-Key` of a call; undefined without one, and of what is asked with GET or
 * HEAD, which can be repeated as it is. The same request is one of the same route and the same
 * bytes.
 *
 * @throws Refusal `input_invalid`
 */
export async function readRepeats(
  { jobs }: { readonly jobs: Pick<JobService, 'runOnce'> },
  { method, path, servers }: OpenRoute,
  request: FastifyRequest,
  body: Buffer,
): Promise<Repeats | undefined> {
  if (method !== 'POST' || request.headers['idempotency-key'] === undefined) return undefined
  const idempotency = readIdempotency(request, `call of ${path}`, await digestOfBody(body))
  if (idempotency === undefined) return undefined
  const longest = servers.map(({ upstream: { timeouts } }) => timeouts.firstByteMs + timeouts.totalMs)
  return {
    idempotency,
    streamRefusal: new Refusal('input_invalid', 'A stream is not answered twice.', {
      errors: [
        {
          loc: ['header', 'Idempotency-Key'],
          msg: 'Expected no such header with a stream',
          type: 'not_allowed',
        },
      ],
    }),
    begin: () => openKeeper(jobs.runOnce, idempotency, Math.max(...longest) + marginMs),
  }
}
