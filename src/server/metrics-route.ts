import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { metricsReadScope } from '../core/scope.ts'
import type { GuardSetting } from '../guard/demand.ts'
import type { PrometheusListener } from '../prometheus/prometheus.ts'
import { adminOr } from './api/admin-or.ts'
import type { RouteSchema } from './docs/route-schema.ts'

/** Writes the page of metrics, in the format that `Accept` asks for. */
export type MetricsSource = Pick<PrometheusListener, 'page'>

const schema: RouteSchema & { readonly querystring: z.ZodType } = {
  operationId: 'readMetrics',
  summary: 'Read the metrics for Prometheus',
  description:
    'Counters, histograms and gauges since the process began, as text, or as OpenMetrics where `Accept` asks for it. The key also goes into `Authorization: Bearer`, whatever the scheme of the server is. All who ask within a second get one page.',
  tags: ['health'],
  querystring: z.strictObject({}),
  describes: {
    answers: { 200: { description: 'The metrics.', schema: z.string(), mediaType: 'text/plain' } },
  },
}

/** `GET /metrics`, for administrators and keys of scope `metrics:read`, or for everyone. */
export function addMetricsRoute(
  app: FastifyInstance,
  { page }: MetricsSource,
  openTo: 'guarded' | 'open',
): void {
  const guard: GuardSetting = openTo === 'open' ? 'public' : { ...adminOr(metricsReadScope), bearer: true }
  app.get('/metrics', { schema, config: { guard } }, async ({ headers }, reply) => {
    const { contentType, text } = await page(headers.accept)
    return reply.header('content-type', contentType).send(text)
  })
}
