import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Maybe } from '../../core/after.ts'
import { defaultScope, modelScope } from '../../core/scope.ts'
import { textOfJson, type WrittenJson } from '../../core/written-json.ts'
import type { Demand } from '../../guard/demand.ts'
import { openUsage } from '../../guard/guard.ts'
import type { ServedModel } from '../../models/model.ts'
import { sendStored } from '../api/idempotency-key.ts'
import { jsonMediaType } from '../http/json-body.ts'
import { describePredict } from './describe-predict.ts'
import { type PredictQuery, readPredictInput, readWebhook, webhookWithoutJob } from './predict-input.ts'
import { askModel, type PredictDeps, takeCharacters, traceModel } from './prediction.ts'
import { readPredictionKey } from './prediction-key.ts'
import { prefersAsync } from './prefer.ts'
import { submitPrediction } from './submit-prediction.ts'

/** What asking a model demands: the scope for all of them, or for this one. */
export function predictDemand({ name }: Pick<ServedModel, 'name'>): Demand {
  return { anyScope: [defaultScope, modelScope(name)], model: name }
}

/** One input in, its prediction out, at once or as a job. */
export function addPredictRoute(
  app: FastifyInstance,
  url: string,
  model: ServedModel,
  deps: PredictDeps,
): void {
  const { ward, textMax } = deps
  const rules = { kind: model.input, textMax }
  const config = { guard: predictDemand(model) }
  const schema = describePredict(model, url, textMax)

  app.post<{ Querystring: PredictQuery }>(url, { config, schema }, function answerPredict(request, reply) {
    const input = readPredictInput(request.body, request.query, rules)
    const webhook = readWebhook(request.body)
    const { prefer, 'idempotency-key': idempotencyKey } = request.headers
    if (prefer !== undefined && prefersAsync(prefer))
      return submitPrediction(deps, { model, kind: 'single', inputs: [input], webhook }, request, reply)
    if (webhook !== undefined) throw webhookWithoutJob()
    if (idempotencyKey !== undefined) return predictOnce(deps, model, input, request, reply)
    const taking = takeCharacters(openUsage(ward.guard, request), [input])
    return taking === undefined
      ? predict(model, input, request, reply)
      : taking.then(() => predict(model, input, request, reply))
  })
}

function predict(
  model: ServedModel,
  input: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Maybe<WrittenJson> {
  reply.header('content-type', jsonMediaType)
  return askModel(model, [input], request.caller.owner, reply.raw)
}

/**
 * Answers a repeated request as the first one. The model goes on where the client hangs up: its
 * answer is kept for the retry that is to come.
 */
async function predictOnce(
  { ward, jobs }: PredictDeps,
  model: ServedModel,
  input: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const idempotency = readPredictionKey(request, { model, kind: 'single', inputs: [input] })
  const answer = await jobs.runOnce(
    idempotency,
    async () => {
      await takeCharacters(openUsage(ward.guard, request), [input])
      const { owner } = request.caller
      const body = textOfJson(
        await traceModel(model, request.raw, () => model.predictJson([input], { owner })),
      )
      return { status: 200, headers: { 'content-type': jsonMediaType }, body }
    },
    { reserveMs: reserveMsOf(model) },
  )
  return sendStored(reply, answer)
}

/** How long an idempotency key is reserved: the model's deadline, and time to write. */
export function reserveMsOf({ deadlineMs }: ServedModel): number {
  return deadlineMs + 30_000
}
