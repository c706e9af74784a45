import type { FastifyInstance } from 'fastify'
import { loadSentimentModel } from '../../src/models/sentiment/sentiment-model.ts'
import { predictSchema } from './predict-schema.ts'

/** The route of both Fastify peers, with Modelward's own model behind it. */
export function addPredictRoute(app: FastifyInstance): void {
  const model = loadSentimentModel()
  app.post<{ Body: { text: string } }>('/predict', { schema: predictSchema }, async ({ body: { text } }) => {
    const [answer] = model.predict([text])
    return { text, ...answer, model: model.name, model_version: model.version }
  })
}
