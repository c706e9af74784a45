import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Maybe } from '../../core/after.ts'
import { concatJson, textOfJson, type WrittenJson } from '../../core/written-json.ts'
import { openUsage } from '../../guard/guard.ts'
import type { ServedModel } from '../../models/model.ts'
import { sendStored } from '../api/idempotency-key.ts'
import { jsonMediaType } from '../http/json-body.ts'
import { describeBatch } from './describe-predict.ts'
import { readBatchInputs, readWebhook, webhookWithoutJob } from './predict-input.ts'
import { predictDemand, reserveMsOf } from './predict-route.ts'
import { askModel, type PredictDeps, takeCharacters, traceModel } from './prediction.ts'
import { readPredictionKey } from './prediction-key.ts'
import { prefersAsync } from './prefer.ts'
import { submitPrediction } from './submit-prediction.ts'

/** Most inputs that are answered at once; more become a job. */
const answeredAtOnceMax = 32

/**
 * Many inputs in, their predictions out in the same order: at once for a few, as a job for more.
 */
export function addBatchRoute(
  app: FastifyInstance,
  url: string,
  model: ServedModel,
  deps: PredictDeps,
): void {
  const { textMax, batchBodyMax } = deps
  const rules = { kind: model.input, textMax }
  const options = {
    config: { guard: predictDemand(model) },
    schema: describeBatch(model, url, textMax),
    bodyLimit: batchBodyMax,
  }
  app.post(url, options, async function answerBatch(request, reply) {
    const inputs = await readBatchInputs(request.body, rules)
    const webhook = readWebhook(request.body)
    const { prefer } = request.headers
    if (inputs.length > answeredAtOnceMax || prefersAsync(prefer))
      return submitPrediction(deps, { model, kind: 'batch', inputs, webhook }, request, reply)
    if (webhook !== undefined) throw webhookWithoutJob()
    return predictBatch(deps, model, inputs, request, reply)
  })
}

async function predictBatch(
  { ward, jobs }: PredictDeps,
  model: ServedModel,
  inputs: readonly unknown[],
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const idempotency = readPredictionKey(request, { model, kind: 'batch', inputs })
  const headers = { 'content-type': jsonMediaType }
  const { owner } = request.caller
  const predict = async (ask: () => Maybe<WrittenJson>): Promise<WrittenJson> => {
    await takeCharacters(openUsage(ward.guard, request), inputs)
    return concatJson(['{"results":[', await ask(), ']}'])
  }
  if (idempotency === undefined)
    return reply.headers(headers).send(await predict(() => askModel(model, inputs, owner, reply.raw)))
  const answer = await jobs.runOnce(
    idempotency,
    // Where the client hangs up the model goes on: its answer is kept for the retry.
    async () => ({
      status: 200,
      headers,
      body: textOfJson(
        await predict(() => traceModel(model, request.raw, () => model.predictJson(inputs, { owner }))),
      ),
    }),
    { reserveMs: reserveMsOf(model) },
  )
  return sendStored(reply, answer)
}
