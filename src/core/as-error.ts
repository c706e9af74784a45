import { classify } from './problem.ts'

/**
 * Whatever was thrown, as an error to hand to a framework. Fastify and Express take `undefined` for leave to go on, and Express the
 * words `route` and `router` as well: a check that threw one of them would open the route that it stands before.
 */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : classify(thrown)
}
