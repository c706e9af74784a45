import type { FastifyRequest } from 'fastify'
import { processScheduler } from '../../core/scheduler.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import { writeInputs } from '../../jobs/write-inputs.ts'
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
  return readIdempotency(request, actionOf({ model, kind }), [inputs, webhook ?? null])
}

/** The same of many inputs, which are written for it in slices. */
export async function readLargePredictionKey(
  request: FastifyRequest,
  prediction: RepeatedPrediction,
): Promise<Idempotency | undefined> {
  const idempotency = readPredictionKey(request, prediction)
  if (idempotency === undefined) return undefined
  const { inputs, webhook } = prediction
  const action = JSON.stringify(actionOf(prediction))
  const written = await writeInputs(inputs, processScheduler)
  const requestText = `[${action},[${written},${JSON.stringify(webhook ?? null)}]]`
  return { ...idempotency, requestText }
}

function actionOf({ model, kind }: Pick<RepeatedPrediction, 'model' | 'kind'>): string {
  return `${kind} prediction of ${model.name}`
}
