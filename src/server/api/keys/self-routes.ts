import type { FastifyInstance } from 'fastify'
import { keysOwnerScope, keysSelfScope } from '../../../core/scope.ts'
import type { Demand } from '../../../guard/demand.ts'
import { viewKey } from '../../../keys/record/views.ts'
import type { Ward } from '../../../ward/ward.ts'
import { adminOr } from '../admin-or.ts'
import { readIdempotency } from '../idempotency-key.ts'
import type { AskingKeys } from './asking-keys.ts'
import { keyRouteSchemas as schemas } from './describe-key-routes.ts'
import { isForced, overlapOf, viewIssued } from './key-input.ts'
import type { ForceQuery, RevokeBody, RotateBody } from './key-schemas.ts'

const readDemand: Demand = { anyKey: true, session: 'read', billable: false }

/** What a key may read of itself and, with a scope for it, do with itself. */
export function addSelfRoutes(app: FastifyInstance, ward: Ward, { itself }: AskingKeys): void {
  const { keys, clock } = ward
  const config = { guard: adminOr(keysSelfScope, keysOwnerScope) }
  app.get('/v1/keys/self', { config: { guard: readDemand }, schema: schemas.self }, async ({ caller }) => ({
    ...viewKey(await keys.get(caller.keyId), clock()),
    limits_left: await ward.limits.status(caller.keyId),
  }))
  app.post<{ Body: RotateBody }>(
    '/v1/keys/self/rotate',
    { config, schema: schemas.rotateSelf },
    async (request) => {
      const { keyId } = request.caller
      const idempotency = readIdempotency(request, `rotate ${keyId}`)
      const own = await itself(request)
      return viewIssued(await own.rotate(keyId, { overlapMs: overlapOf(request.body), idempotency }), clock())
    },
  )
  app.post<{ Body: RevokeBody; Querystring: ForceQuery }>(
    '/v1/keys/self/revoke',
    { config, schema: schemas.revokeSelf },
    async (request) => {
      const own = await itself(request)
      const { body, caller, query } = request
      return viewKey(await own.revoke(caller.keyId, body?.reason, isForced(query)), clock())
    },
  )
}
