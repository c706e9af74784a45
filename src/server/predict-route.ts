import type { FastifyInstance } from 'fastify'
import { callModel } from '../models/call-model.ts'
import type { Model } from '../models/model.ts'
import type { Sentiment } from '../models/sentiment/sentiment.ts'
import { describePredict } from './describe-predict.ts'
import { readPredictInput } from './predict-input.ts'

export interface PredictRouteOptions {
  readonly model: Model<string, Sentiment>
  readonly textLengthMax: number
  readonly modelDeadlineMs: number
}

/** `POST /predict`: one text in, its sentiment out. */
export function addPredictRoute(app: FastifyInstance, options: PredictRouteOptions): void {
  const { model, textLengthMax, modelDeadlineMs } = options
  const config = { guard: { scope: 'predict' } }
  app.post('/predict', { config, schema: describePredict(textLengthMax) }, async ({ body, query }, reply) => {
    const text = readPredictInput(body, query, textLengthMax)
    const [answer] = await callModel(model, [text], {
      deadlineMs: modelDeadlineMs,
      isOutput: isSentiment,
      onClientGone: (listener) => {
        reply.raw.once('close', () => reply.raw.writableFinished || listener())
      },
    })
    return { text, ...answer, model: model.version }
  })
}

function isSentiment(output: unknown): output is Sentiment {
  if (typeof output !== 'object' || output === null) return false
  const { sentiment, confidence, scores } = output as Partial<Sentiment>
  return typeof sentiment === 'string' && isShare(confidence) && typeof scores === 'object' && scores !== null
}

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1
}
