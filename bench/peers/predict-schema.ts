const score = { type: 'number' }

/**
 * What both Fastify peers check and write: the same input and answer as Modelward's `POST
 * /predict`.
 */
export const predictSchema = {
  body: {
    type: 'object',
    required: ['text'],
    properties: { text: { type: 'string', minLength: 1, maxLength: 10_000 } },
  },
  response: {
    200: {
      type: 'object',
      properties: {
        text: { type: 'string' },
        sentiment: { type: 'string' },
        confidence: score,
        scores: { type: 'object', properties: { positive: score, negative: score, neutral: score } },
        model: { type: 'string' },
        model_version: { type: 'string' },
      },
    },
  },
} as const
