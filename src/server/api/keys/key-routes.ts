import type { FastifyInstance } from 'fastify'
import { keysOwnerScope, keysReadScope, keysWriteScope } from '../../../core/scope.ts'
import { warnOfKey, withWarnings } from '../../../keys/fields/key-warnings.ts'
import type { KeyRecord } from '../../../keys/record/key-record.ts'
import { type KeyView, viewKey } from '../../../keys/record/views.ts'
import { formatKeyCursor } from '../../../keys/store/cursors.ts'
import type { Ward } from '../../../ward/ward.ts'
import { adminOr } from '../admin-or.ts'
import { readIdempotency } from '../idempotency-key.ts'
import { type AskingKeys, createAskingKeys } from './asking-keys.ts'
import { keyRouteSchemas as schemas } from './describe-key-routes.ts'
import {
  blamingSent,
  isForced,
  overlapOf,
  readFields,
  readImportedKeys,
  readKeyQuery,
  readNewKey,
  viewIssued,
} from './key-input.ts'
import type {
  ForceQuery,
  ImportedKeyBody,
  KeyChangesBody,
  ListQuery,
  NewKeyBody,
  RevokeBody,
  RotateBody,
} from './key-schemas.ts'
import { addSelfRoutes } from './self-routes.ts'

/** Of everyone, or of the asker's own owner. */
const readDemand = adminOr(keysReadScope, keysWriteScope, keysOwnerScope)
const changeDemand = adminOr(keysWriteScope, keysOwnerScope)
/** What no owner does with its own keys. */
const operatorDemand = adminOr(keysWriteScope)

interface OneKey {
  readonly Params: { readonly id: string }
}

/** What the routes over keys work with. */
export interface KeyRoutesOptions {
  readonly ward: Ward
  /** Names of the models that are served. */
  readonly models: readonly string[]
  /** Scopes that other routes and rules of the deployment ask for. @default none */
  readonly askedScopes?: readonly string[]
  /** Most keys of an owner that makes its own. */
  readonly ownerKeysMax: number
}

interface Deps extends KeyRoutesOptions {
  readonly asking: AskingKeys
}

/** The admin API over keys, and what a key may do with itself and its owner's. */
export function addKeyRoutes(app: FastifyInstance, options: KeyRoutesOptions): void {
  const deps = { ...options, asking: createAskingKeys(options.ward, options.ownerKeysMax) }
  addSelfRoutes(app, deps.ward, deps.asking)
  addLimitRoutes(app, deps)
  addCollectionRoutes(app, deps)
  addIssuingRoutes(app, deps)
  addChangeRoutes(app, deps)
  addEndRoutes(app, deps)
}

function addLimitRoutes(app: FastifyInstance, { ward: { limits }, asking }: Deps): void {
  app.get<OneKey>(
    '/v1/keys/:id/limits',
    { config: { guard: readDemand }, schema: schemas.limits },
    async (request) => {
      const { id } = await (await asking.reading(request)).get(request.params.id)
      return { limits: await limits.status(id) }
    },
  )
  app.post<OneKey>(
    '/v1/keys/:id/limits/reset',
    { config: { guard: operatorDemand }, schema: schemas.resetLimits },
    async (request) => {
      const { checkTarget } = await asking.authority(request)
      const { params, caller } = request
      const reset = limits.by(caller.keyId).reset(params.id, (key) => checkTarget('key.limits_reset', key))
      return { limits: await reset }
    },
  )
}

function addCollectionRoutes(app: FastifyInstance, { ward: { clock }, asking }: Deps): void {
  app.get<{ Querystring: ListQuery }>(
    '/v1/keys',
    { config: { guard: readDemand }, schema: schemas.list },
    async (request) => {
      const now = clock()
      const keyQuery = readKeyQuery(request.query, now)
      const page = await (await asking.reading(request)).list(keyQuery)
      const last = page.hasMore ? page.keys.at(-1) : undefined
      return {
        keys: page.keys.map((record) => viewKey(record, now)),
        next_cursor: last === undefined ? null : formatKeyCursor(last, keyQuery.sort),
        ...(page.damaged && { damaged: page.damaged }),
      }
    },
  )
  app.post<{ Body: readonly ImportedKeyBody[] }>(
    '/v1/keys/import',
    { config: { guard: operatorDemand }, schema: schemas.import },
    async (request, reply) => {
      const keys = await asking.changing(request)
      const { body } = request
      const records = await blamingSent(body, () => keys.import(readImportedKeys(body)))
      reply.code(201)
      return { keys: records.map((record) => viewKey(record, clock())) }
    },
  )
}

/** Routes whose answer holds a key's text, this once. */
function addIssuingRoutes(app: FastifyInstance, { ward: { clock }, asking, ...known }: Deps): void {
  const config = { guard: changeDemand }
  app.post<{ Body: NewKeyBody }>('/v1/keys', { config, schema: schemas.create }, async (request, reply) => {
    const idempotency = readIdempotency(request, 'create')
    const keys = await asking.changing(request)
    const issued = await blamingSent(request.body, () =>
      keys.create(readNewKey(request.body), idempotency && { idempotency }),
    )
    reply.header('location', `/v1/keys/${issued.record.id}`)
    return reply.code(201).send(withWarnings(viewIssued(issued, clock()), warnOfKey(issued.record, known)))
  })
  app.post<OneKey & { Body: RotateBody }>(
    '/v1/keys/:id/rotate',
    { config, schema: schemas.rotate },
    async (request) => {
      const { id } = request.params
      const idempotency = readIdempotency(request, `rotate ${id}`)
      const keys = await asking.changing(request)
      return viewIssued(await keys.rotate(id, { overlapMs: overlapOf(request.body), idempotency }), clock())
    },
  )
}

function addChangeRoutes(app: FastifyInstance, { ward: { clock }, asking, ...known }: Deps): void {
  app.get<OneKey>('/v1/keys/:id', { config: { guard: readDemand }, schema: schemas.show }, async (request) =>
    viewKey(await (await asking.reading(request)).get(request.params.id), clock()),
  )
  app.patch<OneKey & { Body: KeyChangesBody; Querystring: ForceQuery }>(
    '/v1/keys/:id',
    { config: { guard: changeDemand }, schema: schemas.update },
    async (request) => {
      const keys = await asking.changing(request)
      const { params, body, query } = request
      const record = await blamingSent(body, () => keys.update(params.id, readFields(body), isForced(query)))
      return withWarnings(viewKey(record, clock()), warnOfKey(record, known))
    },
  )
}

function addEndRoutes(app: FastifyInstance, { ward: { clock }, asking }: Deps): void {
  const config = { guard: changeDemand }
  const view = (record: KeyRecord): KeyView => viewKey(record, clock())
  app.post<OneKey & { Body: RevokeBody; Querystring: ForceQuery }>(
    '/v1/keys/:id/revoke',
    { config, schema: schemas.revoke },
    async (request) => {
      const keys = await asking.changing(request)
      const { params, body, query } = request
      return view(await keys.revoke(params.id, body?.reason, isForced(query)))
    },
  )
  app.post<OneKey & { Querystring: ForceQuery }>(
    '/v1/keys/:id/disable',
    { config, schema: schemas.disable },
    async (request) => {
      const keys = await asking.changing(request)
      return view(await keys.disable(request.params.id, isForced(request.query)))
    },
  )
  app.post<OneKey>('/v1/keys/:id/enable', { config, schema: schemas.enable }, async (request) =>
    view(await (await asking.changing(request)).enable(request.params.id)),
  )
}
