import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import type { RouteSchema } from './route-schema.ts'

const score = z.number().min(0).max(1)

const prediction = z.object({
  text: z.string(),
  sentiment: z.enum(['positive', 'negative', 'neutral']),
  confidence: score.describe('The score of that sentiment.'),
  scores: z.object({ positive: score, negative: score, neutral: score }).describe('Together 1.'),
  model: z.string().describe('Changes whenever an answer may change.'),
})

/** What OpenAPI says of `POST /predict`. The route reads its input itself, because it may come in two ways. */
export function describePredict(textLengthMax: number): FastifySchema & RouteSchema {
  const text = z.string().min(1).max(textLengthMax)
  return {
    operationId: 'predict',
    summary: 'Predict the sentiment of a text',
    description:
      'The text comes in the body, or in the query where there is no body. A text in both is refused. Other fields of the body are ignored.',
    tags: ['predict'],
    describes: {
      body: z.object({ text: text.meta({ examples: ['I love this great product'] }) }),
      bodyIsOptional: true,
      querystring: z.object({ text: text.describe('In place of a body.').optional() }),
      answers: {
        200: {
          description: 'The sentiment.',
          schema: prediction,
          example: {
            text: 'I love this great product',
            sentiment: 'positive',
            confidence: 0.98,
            scores: { positive: 0.98, negative: 0.01, neutral: 0.01 },
            model: 'sentiment-1',
          },
        },
      },
      faults: [502, 504],
    },
  }
}
