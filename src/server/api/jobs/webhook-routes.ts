import type { FastifyInstance, FastifySchema } from 'fastify'
import { webhooksScope } from '../../../core/scope.ts'
import { parseDuration } from '../../../core/time.ts'
import type { Demand } from '../../../guard/demand.ts'
import type { JobService } from '../../../jobs/job-service.ts'
import type { WebhookService } from '../../../webhooks/webhook-service.ts'
import type { RouteSchema } from '../../docs/route-schema.ts'
import { jsonMediaType } from '../../http/json-body.ts'
import { idempotencyHeaders, readIdempotency, sendStored } from '../idempotency-key.ts'
import {
  type DeliveryListRequest,
  deliveryListQuery,
  deliveryPageView,
  secretBody,
  secretView,
} from './webhook-schemas.ts'

export interface WebhookRouteOptions {
  readonly webhooks: WebhookService
  readonly jobs: Pick<JobService, 'runOnce'>
  /** What looking at deliveries demands: the same as looking at jobs. */
  readonly demand: Demand
}

/** What an owner signs webhooks with, and what became of them. */
export function addWebhookRoutes(
  app: FastifyInstance,
  { webhooks, jobs, demand }: WebhookRouteOptions,
): void {
  const rotating: Demand = { scope: webhooksScope, billable: false }
  app.post<{ Body: { readonly overlap?: string } | null }>(
    '/webhooks/secret',
    { config: { guard: rotating }, schema: secretSchema },
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
    { config: { guard: demand }, schema: deliveriesSchema },
    async ({ caller, query }) => {
      const { job: jobId, limit } = query
      return { deliveries: await webhooks.listDeliveries(caller.owner, { limit, jobId }) }
    },
  )
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
