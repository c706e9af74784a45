import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Guard } from '../guard.ts'

/**
 * Counts a request that may pass without a guard, once its answer has left or its client has gone.
 *
 * @param at the object that stands for the request in its framework
 * @param routeOf the route's pattern, once it is answered
 */
export function countUnguarded(
  { beginUnguarded }: Guard,
  at: object,
  { method }: Pick<IncomingMessage, 'method'>,
  response: ServerResponse,
  routeOf: () => string | null,
): void {
  const count = beginUnguarded(at)
  if (count === undefined) return
  const end = (): void => {
    const status = response.headersSent ? response.statusCode : null
    count({ route: routeOf(), method: method ?? null, status })
  }
  if (response.closed) end()
  else response.once('close', end)
}
