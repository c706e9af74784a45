import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import type { ServedModel } from '../../models/model.ts'
import { jobExample, jobView } from '../api/jobs/job-schemas.ts'
import type { RouteAnswer, RouteDescription, RouteSchema } from '../docs/route-schema.ts'
import { batchMax } from './predict-input.ts'

type Described = FastifySchema & RouteSchema

const score = z.number().min(0).max(1)

/** Which model answered. */
const identity = {
  model: z.string().describe('Its name.'),
  model_version: z.string().describe('Changes whenever an answer may change.'),
}

const sentiment = z.object({
  text: z.string(),
  sentiment: z.enum(['positive', 'negative', 'neutral']),
  confidence: score.describe('The score of that sentiment, with four digits.'),
  scores: z
    .object({ positive: score, negative: score, neutral: score })
    .describe('Together 1, to within 0.0001.'),
  ...identity,
})
const sentimentExample = {
  text: 'I love this great product',
  sentiment: 'positive',
  confidence: 0.9998,
  scores: { positive: 0.9998, negative: 0, neutral: 0.0002 },
  model: 'sentiment',
  model_version: 'sentiment-1',
}

/** Of a model that says nothing of its outputs. */
const anything = z
  .looseObject(identity)
  .describe('The fields of an output that is an object; any other stands under `output`.')

const headers = z.object({
  Prefer: z
    .string()
    .optional()
    // No example: tools that fill forms in would ask for a job each time.
    .describe(
      '`respond-async`: answered 202 with a job; with `wait=10` beside it once that has ended, after 10 s at the latest. Other preferences are ignored (RFC 7240).',
    ),
  'Idempotency-Key': z
    .string()
    .optional()
    .describe(
      'A retry of the same owner with the same key and input gets the same answer for 24 hours. 1 to 255 visible ASCII characters.',
    ),
})

const webhook = z.string().optional().describe('Receives a request when the job has ended; only with a job.')

const accepted: RouteAnswer = {
  description: 'A job, which is durable by now.',
  schema: jobView,
  example: jobExample,
  headers: {
    Location: 'Where the job is read.',
    'Preference-Applied': '`respond-async`, where the request preferred it, with its `wait`.',
  },
}

/** What the description of a route says of its model. */
export interface DescribedModel extends Pick<ServedModel, 'name' | 'input' | 'version'> {}

/**
 * What OpenAPI says of a route that takes one input. The route reads it itself, because it may come
 * in two ways.
 */
export function describePredict(model: DescribedModel, url: string, textMax: number): Described {
  const isText = model.input === 'text'
  const text = textOf(textMax)
  const answer = answerOf(model)
  return describe(model, url, '', {
    summary: `Ask the model ${model.name}`,
    description: isText
      ? 'The text comes in the body, or in the query where there is no body. A text in both is refused. Other fields of the body are ignored.'
      : 'Other fields of the body are ignored.',
    body: z
      .object({ ...(isText ? { text } : { input: z.unknown() }), webhook })
      .meta({ examples: [isText ? { text: sentimentExample.text } : { input: {} }] }),
    ...(isText && {
      bodyIsOptional: true,
      querystring: z.object({ text: text.describe('In place of a body.').optional() }),
    }),
    answers: { 200: answer, 202: { ...accepted, example: { ...jobExample, kind: 'single' } } },
  })
}

/** What OpenAPI says of a route that takes many inputs. */
export function describeBatch(model: DescribedModel, url: string, textMax: number): Described {
  const isText = model.input === 'text'
  const answer = answerOf(model)
  const inputs = <T extends z.ZodType>(item: T): z.ZodArray<T> => z.array(item).min(1).max(batchMax)
  return describe(model, url, 'Batch', {
    summary: `Ask the model ${model.name} about many inputs`,
    description: 'Up to 32 inputs are answered at once, more as a job.',
    body: z
      .object({
        ...(isText ? { texts: inputs(textOf(textMax)) } : { inputs: inputs(z.unknown()) }),
        webhook,
      })
      .meta({ examples: [isText ? { texts: [sentimentExample.text] } : { inputs: [{}] }] }),
    answers: {
      200: {
        description: 'The predictions, in the order of the inputs.',
        schema: z.object({ results: z.array(answer.schema ?? z.unknown()) }),
        ...(answer.example !== undefined && { example: { results: [answer.example] } }),
      },
      202: accepted,
    },
  })
}

function describe(
  { name }: DescribedModel,
  url: string,
  suffix: string,
  {
    summary,
    description,
    ...rest
  }: RouteDescription & { readonly summary: string; readonly description: string },
): Described {
  const which = url.startsWith('/models/') ? `With_${toIdentifier(name)}` : ''
  return {
    operationId: `predict${suffix}${which}`,
    summary,
    description,
    tags: ['predict'],
    describes: { ...rest, headers, faults: [409, 502, 504] },
  }
}

/** A model's name in letters, digits and underscores; no two names have the same. */
function toIdentifier(name: string): string {
  return name.replaceAll(/[^a-z0-9]/g, (character) => `_${character.charCodeAt(0).toString(16)}`)
}

function textOf(lengthMax: number): z.ZodString {
  return z.string().min(1).max(lengthMax)
}

/** What a model answers. Of the built-in one it is known. */
function answerOf({ input, version }: DescribedModel): RouteAnswer {
  const description = 'The prediction.'
  if (version === sentimentExample.model_version)
    return { description, schema: sentiment, example: sentimentExample }
  return { description, schema: input === 'text' ? anything.extend({ text: z.string() }) : anything }
}
