import type { FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'
import { findRequestSpan } from '../../guard/exchange/request-span.ts'
import { openUsage } from '../../guard/guard.ts'
import type { Idempotency } from '../../idempotency/answer-seal.ts'
import type { PlainAnswer } from '../../idempotency/run-once.ts'
import type { SubmittedJob } from '../../jobs/job-service.ts'
import type { Usage } from '../../limits/usage/usage.ts'
import type { ServedModel } from '../../models/model.ts'
import { sendStored } from '../api/idempotency-key.ts'
import { sendJob } from '../api/jobs/job-routes.ts'
import { waitSecondsMax } from '../api/jobs/job-schemas.ts'
import { clientEnd, clientGone } from '../http/client-end.ts'
import { type PredictDeps, takeCharacters } from './prediction.ts'
import { readLargePredictionKey } from './prediction-key.ts'
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
  deps: PredictDeps,
  { model, kind, inputs, webhook }: LaterPrediction,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { ward, jobs, webhooks } = deps
  const { owner, keyId } = request.caller
  if (webhook !== undefined) webhooks.checkTarget(webhook)
  const idempotency = await readLargePredictionKey(request, { model, kind, inputs, webhook })
  // The guard has already returned what this request took of its limits.
  if (reply.raw.closed) throw clientGone()
  const usage = openUsage(ward.guard, request)
  const submitted = jobs.submit({
    owner,
    keyId,
    requestId: request.id,
    trace: findRequestSpan(request)?.context,
    model: model.name,
    kind,
    inputs,
    webhook: webhook ?? null,
    usage,
    // Not for a retry: its job has been accepted.
    prepare: async () => {
      if (webhook !== undefined) await webhooks.checkSecret(owner)
      await takeCharacters(openUsage(ward.guard, request), inputs)
    },
    idempotency,
  })
  const outcome = await submitted
    .catch((thrown: unknown) => uncount(usage, thrown))
    .catch(createRepeatAtOnce(deps, idempotency))
  if ('status' in outcome) return sendStored(reply, outcome)
  return sendAccepted(deps, outcome, request, reply)
}

/**
 * Answers with a job: at once, or as it stands when it has ended or the seconds are over that the
 * client prefers to wait.
 */
export async function sendAccepted(
  { jobs, closing }: Pick<PredictDeps, 'jobs' | 'closing'>,
  { job, isReplayed }: SubmittedJob,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { owner } = request.caller
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
  const wait = { waitMs, signal: clientEnd(reply, closing) }
  // The job is accepted, whatever becomes of the wait.
  return sendJob(reply, await jobs.get(owner, job.id, wait).catch(() => job))
}

/** The answer of a first request that asked the same and was answered at once. */
function createRepeatAtOnce(
  { jobs }: PredictDeps,
  idempotency: Idempotency | undefined,
): (thrown: unknown) => Promise<PlainAnswer> {
  return async (thrown) => {
    if (idempotency === undefined || !(thrown instanceof Refusal) || thrown.code !== 'idempotency_mismatch')
      throw thrown
    return jobs.runOnce(idempotency, () => Promise.reject(thrown))
  }
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
