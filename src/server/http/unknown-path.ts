import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Refusal } from '../../core/refusal.ts'

/** What to do where a client will try a method that a path does not have. */
const instead: readonly { readonly method: string; readonly path: RegExp; readonly detail: string }[] = [
  {
    method: 'DELETE',
    path: /^\/v1\/keys\/[^/]+$/,
    detail:
      'Keys are revoked, not deleted, so that their records stay readable: POST /v1/keys/{id}/revoke ends a key for good.',
  },
]

/**
 * The refusal for a request that no route answers: `method_not_allowed` with `Allow` where another
 * method would do.
 */
export function refuseUnknownPath(app: FastifyInstance, request: FastifyRequest): Refusal {
  const path = pathOf(request.url)
  const allowed = app.supportedMethods.filter(
    (method) => app.findRoute({ method: method as 'GET', url: path }) !== null,
  )
  if (allowed.length === 0) return new Refusal('not_found')
  const hint = instead.find((one) => one.method === request.method && one.path.test(path))
  return new Refusal('method_not_allowed', hint?.detail, { headers: { allow: allowed.join(', ') } })
}

/** A request's path without its query, which may hold what must not be written down. */
function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}
