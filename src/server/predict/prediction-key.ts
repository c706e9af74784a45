import type { FastifyRequest } from 'fastify'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import type { ServedModel } from '../../models/model.ts'
import { readIdempotency } from '../api/idempotency-key.ts'

/** What a retry must ask again. */
export interface RepeatedPrediction {
  readonly model: Pick<ServedModel, 'name'>
  readonly kind: 'single' | 'batch'
  readonly inputs: readonly unknown[]
  readonly webhook?: string | undefined
}

/**
 * The `Idempotency-Key` of a prediction, whether it is answered at once or as a job: how a client
 * prefers to be answered is no part of what it asks (RFC 7240 §2), and a retry gets what the first
 * request got.
 *
 * @throws Refusal `input_invalid`
 */
export function readPredictionKey(
  request: FastifyRequest,
  { model, kind, inputs, webhook }: RepeatedPrediction,
): Idempotency | undefined {
  return readIdempotency(request, `${kind} prediction of ${model.name}`, [inputs, webhook ?? null])
}
