import type { FastifyReply, FastifyRequest } from 'fastify'
import { usageOf } from '../../fastify/guard.ts'
import type { Usage } from '../../limits/usage.ts'
import type { ServedModel } from '../../models/model.ts'
import { readIdempotency } from '../api/idempotency-key.ts'
import { sendJob } from '../api/jobs/job-routes.ts'
import { waitSecondsMax } from '../api/jobs/job-schemas.ts'
import { clientEnd } from '../http/client-end.ts'
import { clientGone, type PredictDeps, takeCharacters } from './prediction.ts'
import { readPreferences } from './prefer.ts'

/** A prediction that is to be answered later. */
export interface LaterPrediction {
  readonly model: ServedModel
  readonly kind: 'single' | 'batch'
  readonly inputs: readonly unknown[]
  readonly webhook: string | undefined
}

/**
 * Makes a job of a prediction, and answers with it: at once, or as it stands when it has ended or
 * the seconds are over that the client prefers to wait. A repeated request gets the first one's
 * job.
 */
export async function submitPrediction(
  { ward, jobs, webhooks, closing }: PredictDeps,
  { model, kind, inputs, webhook }: LaterPrediction,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // The guard has already returned what this request took of its limits.
  if (reply.raw.closed) throw clientGone()
  const { owner, keyId } = request.caller
  if (webhook !== undefined) {
    webhooks.checkTarget(webhook)
    await webhooks.checkSecret(owner)
  }
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
  if (isReplayed) reply.header('idempotency-replayed', 'true')
  const { isAsync, waitSeconds = 0 } = readPreferences(request.headers['prefer'])
  if (isAsync)
    reply.header(
      'preference-applied',
      waitSeconds > 0 ? `respond-async, wait=${waitSeconds}` : 'respond-async',
    )
  if (!isAsync || waitSeconds === 0) return reply.send(job)
  const waitMs = Math.min(waitSeconds, waitSecondsMax) * 1_000
  return sendJob(reply, await jobs.get(owner, job.id, { waitMs, signal: clientEnd(reply, closing) }))
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
