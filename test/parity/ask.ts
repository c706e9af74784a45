import { expect } from 'vitest'
import type { Problem } from '../../src/core/refusal.ts'
import type { NewKey } from '../../src/keys/fields/new-key.ts'
import { formatKey, parseKey } from '../../src/keys/record/key-text.ts'
import type { ParityTarget } from './parity-target.ts'
import { exchange, formatRequest, type RawAnswer, type RawRequest } from './raw-http.ts'

/** The body of the comparison with FastAPI. */
export const loveIt = '{"text":"I love this great product"}'
export const json: readonly [string, string] = ['Content-Type', 'application/json']

/** The members of every problem, in order. */
const problemMembers = ['type', 'title', 'status', 'detail', 'code', 'request_id']

/**
 * `POST /predict` with the comparison's body, unless the request says otherwise, on a connection of
 * its own.
 */
export function predict(target: Pick<ParityTarget, 'port'>, request: RawRequest = {}): Promise<RawAnswer> {
  const { headers = [], ...rest } = request
  return exchange(target.port, formatRequest({ body: loveIt, ...rest, headers: [json, ...headers] }))
}

/** `GET` of a path. */
export function get(
  target: Pick<ParityTarget, 'port'>,
  path: string,
  headers: RawRequest['headers'] = [],
): Promise<RawAnswer> {
  return exchange(target.port, formatRequest({ method: 'GET', path, headers }))
}

export function keyHeader(key: string): readonly [string, string] {
  return ['X-API-Key', key]
}

/** A new key of the target. */
export async function createKey(target: ParityTarget, key: Partial<NewKey> = {}): Promise<string> {
  return (await target.keys.create({ name: 'parity', ...key })).text
}

/**
 * Another secret under the same id, with the right checksum: wrong in nothing that can be told
 * without the store.
 */
export function withOtherSecret(key: string, { format }: ParityTarget): string {
  const parsed = parseKey(key, format)
  if (parsed === undefined) throw new Error('expected a key')
  return formatKey(format, { id: parsed.id, secret: [...parsed.secret].reverse().join('') })
}

/** A well-formed key that no store has. */
export function unknownKey({ format }: Pick<ParityTarget, 'format'>): string {
  return formatKey(format, { id: 'NobodysKey00', secret: 'A'.repeat(43) })
}

/** Expects a problem with this code, whole and consistent, and gives it. */
export function expectProblem(answer: RawAnswer, status: number, code: string): Problem {
  const problem = JSON.parse(answer.body) as Problem
  expect({ status: answer.status, code: problem.code }).toEqual({ status, code })
  expect(answer.headers.get('content-type')).toEqual(['application/problem+json'])
  expect(Object.keys(problem).filter((member) => member !== 'errors')).toEqual(problemMembers)
  expect('errors' in problem).toBe(code === 'input_invalid')
  expect(problem).toMatchObject({ status, type: `urn:modelward:problem:${code}` })
  expect(answer.headers.get('x-request-id')).toEqual([problem.request_id])
  return problem
}
