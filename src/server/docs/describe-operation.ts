import { STATUS_CODES } from 'node:http'
import type { FastifySchema, RouteOptions } from 'fastify'
import { z } from 'zod'
import { describeProblem, type GuardDescription } from '../../guard/describe-schemes.ts'
import { problemSchema as plainProblemSchema } from '../../guard/problem-schema.ts'
import type { RouteAnswer } from './route-schema.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** Marks, in a body's schema, that it may be left out; not in the finished document. */
export const optionalMark = 'x-modelward-optional'

/** The one body of every refusal and fault; here its request id is a UUID. */
export const problemSchema: JsonObject = {
  ...plainProblemSchema,
  properties: { ...plainProblemSchema.properties, request_id: { type: 'string', format: 'uuid' } },
}

/**
 * One route in OpenAPI's words: what it takes, what it answers, and which keys and problems follow
 * from its guard.
 */
export function describeOperation(
  schema: FastifySchema & { readonly hide?: boolean } = {},
  route: RouteOptions,
  security: GuardDescription['security'],
): JsonObject {
  const { body, querystring, params, describes, ...words } = schema
  // A route that says nothing about itself is not for the public document.
  if (describes === undefined) return { ...words, hide: true }
  const takesBody = describes.body ?? body
  const setting = route.config?.guard ?? {}
  const statuses = [
    400,
    ...(setting === 'public' ? [] : [401, 403, 429, 503]),
    ...(params === undefined ? [] : [404]),
    ...(takesBody === undefined ? [] : [413, 415]),
    ...([takesBody, querystring, describes.querystring].some((part) => part !== undefined) ? [422] : []),
    ...(describes.faults ?? []),
    500,
  ]
  return {
    ...words,
    ...(takesBody !== undefined && { body: describeBody(takesBody, describes.bodyIsOptional) }),
    ...describePart('querystring', describes.querystring ?? querystring),
    ...describePart('params', params),
    ...describePart('headers', describes.headers),
    security: security(setting),
    response: { ...describeAnswers(describes.answers), ...describeProblems(statuses) },
  }
}

function describeBody(body: unknown, isOptional = false): JsonObject {
  const described = toJsonSchema(body)
  return isOptional ? { ...described, [optionalMark]: true } : described
}

function describePart(name: string, part: unknown): JsonObject {
  return part === undefined ? {} : { [name]: toJsonSchema(part) }
}

function describeAnswers(answers: Readonly<Record<number, RouteAnswer>>): JsonObject {
  return Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => {
      const { description, schema, example, mediaType = 'application/json' } = answer
      const words = { description, ...describeHeaders(answer.headers) }
      if (schema === undefined) return [status, { ...words, type: 'null' }]
      const content = { schema: toJsonSchema(schema, 'output'), ...(example !== undefined && { example }) }
      return [status, { ...words, content: { [mediaType]: content } }]
    }),
  )
}

function describeHeaders(headers: RouteAnswer['headers']): JsonObject {
  if (headers === undefined) return {}
  const described = Object.entries(headers).map(([name, description]) => [
    name,
    { description, schema: { type: 'string' } },
  ])
  return { headers: Object.fromEntries(described) }
}

function describeProblems(statuses: readonly number[]): JsonObject {
  return Object.fromEntries(
    [...new Set(statuses)].map((status) => [status, describeProblem(STATUS_CODES[status] ?? '')]),
  )
}

function toJsonSchema(schema: unknown, io: 'input' | 'output' = 'input'): JsonObject {
  const { $schema: _draft, ...described } = z.toJSONSchema(schema as z.ZodType, {
    io,
    unrepresentable: 'any',
  })
  return described
}
