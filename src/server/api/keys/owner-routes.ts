import type { FastifyInstance } from 'fastify'
import { Refusal } from '../../../core/refusal.ts'
import { adminScope } from '../../../core/scope.ts'
import type { Demand } from '../../../guard/demand.ts'
import type { OwnerQuery } from '../../../keys/key-store.ts'
import { formatOwnerCursor, parseOwnerCursor } from '../../../keys/owner-cursor.ts'
import { viewOwner } from '../../../keys/owner-view.ts'
import type { Ward } from '../../../ward/ward.ts'
import { ownerRouteSchemas as schemas } from './describe-owner-routes.ts'
import type { OwnerBody, OwnerListQuery } from './owner-schemas.ts'

/** Administrators by key, or by a browser's session with the CSRF header. */
const adminDemand: Demand = { scope: adminScope, session: 'csrf' }

interface OneOwner {
  readonly Params: { readonly owner: string }
}

/** The admin API over what is kept of owners. */
export function addOwnerRoutes(app: FastifyInstance, { owners }: Ward): void {
  const config = { guard: adminDemand }
  app.get<{ Querystring: OwnerListQuery }>(
    '/v1/owners',
    { config, schema: schemas.list },
    async ({ query }) => {
      const page = await owners.list(readOwnerQuery(query))
      const last = page.hasMore ? page.owners.at(-1) : undefined
      return {
        owners: page.owners.map(viewOwner),
        next_cursor: last === undefined ? null : formatOwnerCursor(last.owner),
      }
    },
  )
  app.get<OneOwner>('/v1/owners/:owner', { config, schema: schemas.show }, async ({ params }) =>
    viewOwner(await owners.get(params.owner)),
  )
  app.put<OneOwner & { Body: OwnerBody }>(
    '/v1/owners/:owner',
    { config, schema: schemas.set },
    async ({ params, body, caller }) =>
      viewOwner(await owners.by(caller.keyId).set(params.owner, body.limits)),
  )
}

/** @throws Refusal `input_invalid` for a cursor that is none */
function readOwnerQuery({ limit, cursor }: OwnerListQuery): OwnerQuery {
  if (cursor === undefined) return { limit }
  const after = parseOwnerCursor(cursor)
  if (after !== undefined) return { limit, after }
  throw new Refusal('input_invalid', undefined, {
    errors: [{ loc: ['query', 'cursor'], msg: 'Expected the next_cursor of a page', type: 'cursor' }],
  })
}
