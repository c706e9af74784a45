import type { FastifyInstance, FastifySchema } from 'fastify'
import { z } from 'zod'
import { Refusal } from '../../../core/refusal.ts'
import { keysReadScope, keysWriteScope } from '../../../core/scope.ts'
import { warnOfLimits, withWarnings } from '../../../keys/fields/key-warnings.ts'
import { type OwnerView, viewOwner } from '../../../keys/record/views.ts'
import { formatOwnerCursor, parseOwnerCursor } from '../../../keys/store/cursors.ts'
import type { OwnerQuery } from '../../../keys/store/key-store.ts'
import type { Ward } from '../../../ward/ward.ts'
import type { RouteAnswer, RouteSchema } from '../../docs/route-schema.ts'
import { adminOr } from '../admin-or.ts'

interface OwnerBody {
  readonly limits: readonly string[]
}

interface OwnerListQuery {
  readonly limit: number
  readonly cursor?: string
}

const ownerBody: z.ZodType<OwnerBody> = z.strictObject({
  limits: z
    .array(z.string())
    .describe('What all keys of the owner may use together; empty: as much as each may.'),
})

const ownerParams: z.ZodType<{ readonly owner: string }> = z.object({ owner: z.string() })

const ownerListQuery: z.ZodType<OwnerListQuery> = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().exactOptional(),
})

/** An owner's stored settings as the API shows them, for OpenAPI. */
const ownerView: z.ZodType<OwnerView> = z.object({
  owner: z.string(),
  limits: z.array(z.string()),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
})

const ownerPageView: z.ZodType<{
  readonly owners: readonly OwnerView[]
  readonly next_cursor: string | null
  readonly damaged?: readonly string[]
}> = z.object({
  owners: z.array(ownerView),
  next_cursor: z.string().nullable(),
  damaged: z
    .array(z.string())
    .exactOptional()
    .describe('Owners whose stored limits cannot be believed, and are left out.'),
})

const tags = ['owners']
const shown: RouteAnswer = { description: 'The owner’s limits, as they are stored.', schema: ownerView }

/** What each route over owners takes, checked by Fastify, and what OpenAPI says of it. */
const ownerRouteSchemas: Readonly<Record<'list' | 'show' | 'set', FastifySchema & RouteSchema>> = {
  list: {
    operationId: 'listOwners',
    summary: 'List owners that have limits',
    description:
      'In the order of their bytes in UTF-8. An owner that is only named by keys is not among them.',
    tags,
    querystring: ownerListQuery,
    describes: {
      answers: { 200: { description: 'A page; `next_cursor` is null on the last.', schema: ownerPageView } },
    },
  },
  show: {
    operationId: 'readOwner',
    summary: 'Read the limits of an owner',
    description: '404 where none were ever set, whatever keys there are.',
    tags,
    params: ownerParams,
    describes: { answers: { 200: shown } },
  },
  set: {
    operationId: 'setOwner',
    summary: 'Set the limits that all keys of an owner share',
    description: 'In the place of those it has. A key meets its own limits and these.',
    tags,
    params: ownerParams,
    body: ownerBody.meta({ examples: [{ limits: ['1000/day', '200000 characters/h'] }] }),
    describes: { answers: { 200: shown }, faults: [409] },
  },
}

const readDemand = adminOr(keysReadScope, keysWriteScope)
const changeDemand = adminOr(keysWriteScope)

interface OneOwner {
  readonly Params: { readonly owner: string }
}

/** The admin API over owners' settings. */
export function addOwnerRoutes(app: FastifyInstance, { owners }: Ward): void {
  const config = { guard: readDemand }
  app.get<{ Querystring: OwnerListQuery }>(
    '/v1/owners',
    { config, schema: ownerRouteSchemas.list },
    async ({ query }) => {
      const page = await owners.list(readOwnerQuery(query))
      const last = page.hasMore ? page.owners.at(-1) : undefined
      return {
        owners: page.owners.map(viewOwner),
        next_cursor: last === undefined ? null : formatOwnerCursor(last.owner),
        ...(page.damaged && { damaged: page.damaged }),
      }
    },
  )
  app.get<OneOwner>('/v1/owners/:owner', { config, schema: ownerRouteSchemas.show }, async ({ params }) =>
    viewOwner(await owners.get(params.owner)),
  )
  app.put<OneOwner & { Body: OwnerBody }>(
    '/v1/owners/:owner',
    { config: { guard: changeDemand }, schema: ownerRouteSchemas.set },
    async ({ params, body, caller }) =>
      withWarnings(
        viewOwner(await owners.by(caller.keyId).set(params.owner, body.limits)),
        warnOfLimits(body.limits),
      ),
  )
}

/** @throws Refusal `input_invalid` for an invalid cursor */
function readOwnerQuery({ limit, cursor }: OwnerListQuery): OwnerQuery {
  if (cursor === undefined) return { limit }
  const after = parseOwnerCursor(cursor)
  if (after !== undefined) return { limit, after }
  throw new Refusal('input_invalid', undefined, {
    errors: [{ loc: ['query', 'cursor'], msg: 'Expected the next_cursor of a page', type: 'cursor' }],
  })
}
