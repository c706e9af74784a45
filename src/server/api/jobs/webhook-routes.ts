import type { FastifyInstance, FastifySchema } from 'fastify'
import { adminScope, webhooksScope } from '../../../core/scope.ts'
import { parseDuration } from '../../../core/time.ts'
import type { Demand } from '../../../guard/demand.ts'
import { anyOwner, type JobService } from '../../../jobs/job-service.ts'
import type { WebhookService } from '../../../webhooks/webhook-service.ts'
import type { RouteSchema } from '../../docs/route-schema.ts'
import { jsonMediaType } from '../../http/json-body.ts'
import { idempotencyHeaders, readIdempotency, sendStored } from '../idempotency-key.ts'
import { noBody } from '../keys/key-schemas.ts'
import {
  type DeliveryListRequest,
  deliveryListQuery,
  deliveryPageView,
  deliveryParams,
  deliveryView,
  secretBody,
  secretView,
} from './webhook-schemas.ts'

export interface WebhookRouteOptions {
  readonly webhooks: WebhookService
  readonly jobs: Pick<JobService, 'runOnce'>
  /** What looking at jobs demands. */
  readonly demand: Demand
}

/** What an owner signs webhooks with, and what became of them. */
export function addWebhookRoutes(
  app: FastifyInstance,
  { webhooks, jobs, demand }: WebhookRouteOptions,
): void {
  const changing: Demand = { scope: webhooksScope, billable: false }
  // Who may have one sent again may see which there are.
  const looking: Demand = { ...demand, anyScope: [...(demand.anyScope ?? []), webhooksScope] }
  app.post<{ Body: { readonly overlap?: string } | null }>(
    '/webhooks/secret',
    { config: { guard: changing }, schema: secretSchema },
    async (request, reply) => {
      const { owner, keyId } = request.caller
      const overlap = request.body?.overlap
      const options = overlap === undefined ? {} : { overlapMs: parseDuration(overlap) ?? 0 }
      // Run twice, it would end the secret that receivers know.
      const idempotency = readIdempotency(request, 'webhook secret')
      const answer = await jobs.runOnce(idempotency, async () => {
        const secret = await webhooks.by(keyId).rotateSecret(owner, options)
        const body = JSON.stringify({ secret })
        return { status: 201, headers: { 'content-type': jsonMediaType }, body }
      })
      return sendStored(reply, answer)
    },
  )
  app.get<{ Querystring: DeliveryListRequest }>(
    '/webhooks/deliveries',
    { config: { guard: looking }, schema: deliveriesSchema },
    async ({ caller, query }) => {
      const { job: jobId, limit } = query
      return { deliveries: await webhooks.listDeliveries(caller.owner, { limit, jobId }) }
    },
  )
  app.post<OneDelivery>(
    '/webhooks/deliveries/:id/retry',
    { config: { guard: changing }, schema: retrySchema },
    async ({ caller, params, id }) =>
      webhooks.retryDelivery(caller.owner, params.id, { by: caller.keyId, requestId: id }),
  )
}

/**
 * The same for administrators, by key or by a browser's session with the CSRF header, of any owner;
 * a key with the scope of webhooks reaches its own owner's alone.
 */
export function addAdminWebhookRoutes(app: FastifyInstance, webhooks: WebhookService): void {
  const guard: Demand = { anyScope: [adminScope, webhooksScope], session: 'csrf', billable: false }
  app.post<OneDelivery>(
    '/v1/webhooks/deliveries/:id/retry',
    { config: { guard }, schema: adminRetrySchema },
    async ({ caller, params, id }) => {
      const owner = caller.scopes.includes(adminScope) ? anyOwner : caller.owner
      return webhooks.retryDelivery(owner, params.id, { by: caller.keyId, requestId: id })
    },
  )
}

interface OneDelivery {
  readonly Params: { readonly id: string }
}

const tags = ['webhooks']

const secretSchema: FastifySchema & RouteSchema = {
  operationId: 'rotateWebhookSecret',
  summary: 'Make the secret that the owner’s webhooks are signed with, or a new one',
  description: 'Standard Webhooks. The secret before it signs too for the overlap; older ones end at once.',
  tags,
  body: secretBody.meta({ examples: [{ overlap: '24h' }] }),
  describes: {
    bodyIsOptional: true,
    headers: idempotencyHeaders,
    answers: { 201: { description: 'The secret, which is not shown again.', schema: secretView } },
    faults: [409],
  },
}

const deliveriesSchema: FastifySchema & RouteSchema = {
  operationId: 'listWebhookDeliveries',
  summary: 'List the owner’s webhooks with what became of them, newest first',
  tags,
  querystring: deliveryListQuery,
  describes: { answers: { 200: { description: 'The deliveries.', schema: deliveryPageView } } },
}

const retrySchema: FastifySchema & RouteSchema = {
  operationId: 'retryWebhookDelivery',
  summary: 'Send a webhook again that was delivered or given up',
  description:
    'At once, with the same `webhook-id` and body, and all its attempts; one that waits stays as it is. 422 where the owner has no secret to sign it with. Another owner’s is not there: 404 `delivery_not_found`, as of one that never was.',
  tags,
  params: deliveryParams,
  body: noBody,
  describes: {
    bodyIsOptional: true,
    answers: { 200: { description: 'The delivery as it stands.', schema: deliveryView } },
  },
}

const adminRetrySchema: FastifySchema & RouteSchema = {
  ...retrySchema,
  operationId: 'retryAnyWebhookDelivery',
  summary: 'Send a webhook of any owner again that was delivered or given up',
  description:
    'As `POST /webhooks/deliveries/{id}/retry`; with a key that is no administrator’s, of its own owner alone.',
}
