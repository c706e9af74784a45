import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { type InputError, Refusal } from '../../core/refusal.ts'

/** Where FastAPI says that a part of the request is. */
const places: Readonly<Record<string, string>> = { querystring: 'query', params: 'path', headers: 'header' }

/**
 * Longest name of a field that is repeated back; of a longer one, which may be a key in the wrong
 * place, its beginning.
 */
const nameLengthMax = 32
const beginningLength = 16

/**
 * Checks a part of a request against its Zod schema, with every fault at once. Given to Fastify in
 * the place of its Ajv, which takes as long to load as the rest of Fastify.
 */
export const compileSchema: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  const place = places[httpPart] ?? httpPart
  return (input: unknown) => {
    const result = schema.safeParse(input)
    if (result.success) return { value: result.data }
    const errors = result.error.issues.flatMap((issue) => inputErrors(issue, place))
    return { error: new Refusal('input_invalid', undefined, { errors }) }
  }
}

/**
 * The same for a body that Fastify does not see.
 *
 * @returns what checks a body; it throws Refusal `input_invalid`
 */
export function compileBody<T>(schema: z.ZodType<T>): (body: unknown) => T {
  const check = compileSchema({ schema, httpPart: 'body', method: 'POST', url: '' })
  return (body) => {
    const { value, error } = check(body) as { readonly value: T; readonly error?: Error }
    if (error !== undefined) throw error
    return value
  }
}

function inputErrors(issue: z.core.$ZodIssue, place: string): readonly InputError[] {
  const loc = [place, ...issue.path.map((step) => (typeof step === 'number' ? step : shorten(String(step))))]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      loc: [...loc, shorten(key)],
      msg: 'There is no such field here',
      type: 'extra_forbidden',
    }))
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
    return [{ loc, msg: 'Field required', type: 'missing' }]
  return [{ loc, msg: issue.message, type: issue.code }]
}

function shorten(name: string): string {
  return name.length <= nameLengthMax ? name : `${name.slice(0, beginningLength)}…`
}
