import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Usage } from '../core/usage.ts'
import { usageOf } from '../fastify/guard.ts'
import type { Gate } from '../gate/gate.ts'
import { callModel } from '../models/call-model.ts'
import type { Model } from '../models/model.ts'
import { isSentiment } from '../models/sentiment/is-sentiment.ts'
import type { Sentiment } from '../models/sentiment/sentiment.ts'
import { describePredict } from './describe-predict.ts'
import { countCharacters, readPredictInput } from './predict-input.ts'

export interface PredictRouteOptions {
  readonly ward: { readonly gate: Gate }
  readonly model: Model<string, Sentiment>
  readonly textLengthMax: number
  readonly modelDeadlineMs: number
}

const jsonMediaType = 'application/json; charset=utf-8'

/** `POST /predict`: one text in, its sentiment out. */
export function addPredictRoute(app: FastifyInstance, options: PredictRouteOptions): void {
  const { ward, model, textLengthMax, modelDeadlineMs } = options
  const config = { guard: { scope: 'predict' } }
  const modelName = JSON.stringify(model.version)

  function predict(text: string, reply: FastifyReply): string | Promise<string> {
    const answers = callModel(model, [text], {
      deadlineMs: modelDeadlineMs,
      isOutput: isSentiment,
      onClientGone: (listener) => {
        reply.raw.once('close', () => reply.raw.writableFinished || listener())
      },
    })
    const answer = (sentiments: readonly Sentiment[]): string => {
      reply.header('content-type', jsonMediaType)
      return formatPrediction(text, sentiments, modelName)
    }
    return answers instanceof Promise ? answers.then(answer) : answer(answers)
  }

  app.post('/predict', { config, schema: describePredict(textLengthMax) }, (request, reply) => {
    const text = readPredictInput(request.body, request.query, textLengthMax)
    const usage = usageOf(ward, request)
    if (!usage.counts('characters')) return predict(text, reply)
    return takeCharacters(usage, text, reply).then(() => predict(text, reply))
  })
}

/** Takes what is known only now that the body has been read. */
async function takeCharacters(usage: Usage, text: string, reply: FastifyReply): Promise<void> {
  const refusal = await usage.take({ characters: countCharacters(text) })
  if (refusal !== undefined) throw refusal
  reply.headers(usage.headers)
}

/** The answer's JSON. Written out: of the whole, `JSON.stringify` would make four times the work. */
function formatPrediction(text: string, sentiments: readonly Sentiment[], modelName: string): string {
  const [{ sentiment, confidence, scores }] = sentiments as readonly [Sentiment]
  const { positive, negative, neutral } = scores
  return `{"text":${JSON.stringify(text)},"sentiment":"${sentiment}","confidence":${confidence},"scores":{"positive":${positive},"negative":${negative},"neutral":${neutral}},"model":${modelName}}`
}
