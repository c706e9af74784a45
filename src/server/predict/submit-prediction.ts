import type { FastifyReply, FastifyRequest } from 'fastify'
import { usageOf } from '../../fastify/guard.ts'
import type { Usage } from '../../limits/usage.ts'
import type { ServedModel } from '../../models/model.ts'
import { readIdempotency } from '../api/idempotency-key.ts'
import { clientGone, type PredictDeps, takeCharacters } from './prediction.ts'
import { prefersAsync } from './prefer.ts'

/** A prediction that is to be answered later. */
export interface LaterPrediction {
  readonly model: ServedModel
  readonly kind: 'single' | 'batch'
  readonly inputs: readonly unknown[]
  readonly webhook: string | undefined
}

/**
 * Makes a job of a prediction, and answers with it. A repeated request gets the first one's job.
 */
export async function submitPrediction(
  { ward, jobs, webhooks }: PredictDeps,
  { model, kind, inputs, webhook }: LaterPrediction,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // The guard has already returned what this request took of its limits.
  if (reply.raw.closed) throw clientGone()
  if (webhook !== undefined) webhooks.checkTarget(webhook)
  const { owner, keyId } = request.caller
  const idempotency = readIdempotency(request, `${kind} job of ${model.name}`, [inputs, webhook ?? null])
  const usage = usageOf(ward, request)
  const submitted = jobs.submit({
    owner,
    keyId,
    requestId: request.id,
    model: model.name,
    kind,
    inputs,
    webhook: webhook ?? null,
    usage,
    prepare: async () => takeCharacters(usageOf(ward, request), inputs),
    idempotency,
  })
  const { job, isReplayed } = await submitted.catch((thrown: unknown) => uncount(usage, thrown))
  reply.code(202).header('location', `/jobs/${job.id}`)
  const { prefer } = request.headers
  if (prefersAsync(prefer)) reply.header('preference-applied', 'respond-async')
  if (isReplayed) reply.header('idempotency-replayed', 'true')
  return reply.send(job)
}

/** Gives the characters back: a full queue must not cost the client a day's characters. */
async function uncount(usage: Usage, thrown: unknown): Promise<never> {
  try {
    if (usage.counts('characters')) await usage.settle({ characters: 0 })
  } catch {
    // What stopped the request is the answer all the same.
  }
  throw thrown
}
