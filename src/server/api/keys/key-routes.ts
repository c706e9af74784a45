import type { FastifyInstance } from 'fastify'
import { adminScope } from '../../../core/scope.ts'
import { parseDuration } from '../../../core/time.ts'
import type { Demand } from '../../../guard/demand.ts'
import { formatKeyCursor } from '../../../keys/cursors.ts'
import type { KeyRecord } from '../../../keys/key-record.ts'
import type { IssuedKey } from '../../../keys/key-service.ts'
import { warnOfKey, withWarnings } from '../../../keys/key-warnings.ts'
import { type KeyView, viewKey } from '../../../keys/views.ts'
import type { Ward } from '../../../ward/ward.ts'
import { readIdempotency } from '../idempotency-key.ts'
import { keyRouteSchemas as schemas } from './describe-key-routes.ts'
import { blamingSent, readFields, readImportedKeys, readKeyQuery, readNewKey } from './key-input.ts'
import type { ImportedKeyBody, KeyChangesBody, ListQuery, NewKeyBody } from './key-schemas.ts'

/** Administrators by key, or by a browser's session with the CSRF header. */
const adminDemand: Demand = { scope: adminScope, session: 'csrf', billable: false }
const selfDemand: Demand = { anyKey: true, session: 'read', billable: false }

interface OneKey {
  readonly Params: { readonly id: string }
}

/** The admin API over keys, and what a key may read of itself. */
export function addKeyRoutes(app: FastifyInstance, ward: Ward, models: readonly string[]): void {
  const { keys, clock } = ward
  const config = { guard: selfDemand }
  app.get('/v1/keys/self', { config, schema: schemas.self }, async ({ caller }) => ({
    ...viewKey(await keys.get(caller.keyId), clock()),
    limits_left: await ward.limits.status(caller.keyId),
  }))
  addLimitRoutes(app, ward)
  addCollectionRoutes(app, ward)
  addIssuingRoutes(app, ward, models)
  addChangeRoutes(app, ward, models)
}

function addLimitRoutes(app: FastifyInstance, { limits }: Ward): void {
  const config = { guard: adminDemand }
  app.get<OneKey>('/v1/keys/:id/limits', { config, schema: schemas.limits }, async ({ params }) => ({
    limits: await limits.status(params.id),
  }))
  app.post<OneKey>(
    '/v1/keys/:id/limits/reset',
    { config, schema: schemas.resetLimits },
    async ({ params, caller }) => ({ limits: await limits.by(caller.keyId).reset(params.id) }),
  )
}

function addCollectionRoutes(app: FastifyInstance, { keys, clock }: Ward): void {
  const config = { guard: adminDemand }
  app.get<{ Querystring: ListQuery }>('/v1/keys', { config, schema: schemas.list }, async ({ query }) => {
    const now = clock()
    const keyQuery = readKeyQuery(query, now)
    const page = await keys.list(keyQuery)
    const last = page.hasMore ? page.keys.at(-1) : undefined
    return {
      keys: page.keys.map((record) => viewKey(record, now)),
      next_cursor: last === undefined ? null : formatKeyCursor(last, keyQuery.sort),
      ...(page.damaged && { damaged: page.damaged }),
    }
  })
  app.post<{ Body: readonly ImportedKeyBody[] }>(
    '/v1/keys/import',
    { config, schema: schemas.import },
    async ({ body, caller }, reply) => {
      const records = await blamingSent(body, () => keys.by(caller.keyId).import(readImportedKeys(body)))
      reply.code(201)
      return { keys: records.map((record) => viewKey(record, clock())) }
    },
  )
}

/** Routes whose answer holds a key's text, this once. */
function addIssuingRoutes(app: FastifyInstance, { keys, clock }: Ward, models: readonly string[]): void {
  const config = { guard: adminDemand }
  app.post<{ Body: NewKeyBody }>('/v1/keys', { config, schema: schemas.create }, async (request, reply) => {
    const idempotency = readIdempotency(request, 'create')
    const made = keys.by(request.caller.keyId)
    const issued = await blamingSent(request.body, () =>
      made.create(readNewKey(request.body), idempotency && { idempotency }),
    )
    reply.header('location', `/v1/keys/${issued.record.id}`)
    return reply.code(201).send(withWarnings(viewIssued(issued, clock()), warnOfKey(issued.record, models)))
  })
  app.post<OneKey & { Body: { readonly overlap?: string } | null }>(
    '/v1/keys/:id/rotate',
    { config, schema: schemas.rotate },
    async (request) => {
      const { id } = request.params
      const idempotency = readIdempotency(request, `rotate ${id}`)
      const overlap = request.body?.overlap
      const issued = await keys.by(request.caller.keyId).rotate(id, {
        overlapMs: overlap === undefined ? undefined : (parseDuration(overlap) ?? 0),
        idempotency,
      })
      return viewIssued(issued, clock())
    },
  )
}

function addChangeRoutes(app: FastifyInstance, { keys, clock }: Ward, models: readonly string[]): void {
  const config = { guard: adminDemand }
  const view = (record: KeyRecord): KeyView => viewKey(record, clock())
  app.get<OneKey>('/v1/keys/:id', { config, schema: schemas.show }, async ({ params }) =>
    view(await keys.get(params.id)),
  )
  app.patch<OneKey & { Body: KeyChangesBody }>(
    '/v1/keys/:id',
    { config, schema: schemas.update },
    async ({ params, body, caller }) => {
      const record = await blamingSent(body, () => keys.by(caller.keyId).update(params.id, readFields(body)))
      return withWarnings(view(record), warnOfKey(record, models))
    },
  )
  app.post<OneKey & { Body: { readonly reason?: string } | null }>(
    '/v1/keys/:id/revoke',
    { config, schema: schemas.revoke },
    async ({ params, body, caller }) => view(await keys.by(caller.keyId).revoke(params.id, body?.reason)),
  )
  app.post<OneKey>('/v1/keys/:id/disable', { config, schema: schemas.disable }, async ({ params, caller }) =>
    view(await keys.by(caller.keyId).disable(params.id)),
  )
  app.post<OneKey>('/v1/keys/:id/enable', { config, schema: schemas.enable }, async ({ params, caller }) =>
    view(await keys.by(caller.keyId).enable(params.id)),
  )
}

function viewIssued({ record, text }: IssuedKey, now: number): KeyView & { readonly key: string } {
  return { ...viewKey(record, now), key: text }
}
