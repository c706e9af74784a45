import type { FastifySchema } from 'fastify'
import type { RouteSchema } from '../../docs/route-schema.ts'
import { ledgerPageView, ledgerQuery, usageQuery, usageView } from './ledger-schemas.ts'

const tags = ['ledger']

const recordExample = {
  position: '5120.17',
  time: '2027-01-31T12:00:00.042Z',
  event: 'request.refused',
  request_id: '0d8f7e1c-2f35-4d1b-9d0a-6a1f1f6f0b7e',
  client_request_id: null,
  code: 'rate_limited',
  key_id: '7Qm2xT0bKc9Z',
  owner: 'acme',
  method: 'POST',
  route: '/predict',
  status: 429,
  latency_ms: 0.412,
  measures: {},
  address: '203.0.113.7',
  detail: null,
  stream: '4f1c1d0e9b7a4c53a2f60b8e7d915c3a',
  seq: 88_017,
  hash: '9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab',
}

const usageExample = {
  key_id: '7Qm2xT0bKc9Z',
  key_name: 'production',
  owner: null,
  route: null,
  model: null,
  day: '2027-01-31',
  month: null,
  requests: 1_190,
  admitted: 1_190,
  operational: 12,
  refused: { rate_limited: 14 },
  measures: { requests: 1_190, characters: 84_310 },
  latency_ms: { p50: 1.9, p95: 4.2, p99: 9.8 },
  last_used_at: '2027-01-31T23:59:12.402Z',
}

/** What the routes over the ledger take, checked by Fastify, and what OpenAPI says of them. */
export const ledgerRouteSchemas: Readonly<Record<'query' | 'usage', FastifySchema & RouteSchema>> = {
  query: {
    operationId: 'queryLedger',
    summary: 'Find records of decisions and changes',
    description:
      'Of all keys and owners with the scope `admin` or `ledger:read`; with `usage:owner`, of the own owner alone. A record must match every filter.',
    tags,
    querystring: ledgerQuery,
    describes: {
      answers: {
        200: {
          description:
            'A page. `next` is null on the last; in the order `oldest` it is where to go on from as records come.',
          schema: ledgerPageView,
          example: { records: [recordExample], next: '5120.17' },
        },
      },
    },
  },
  usage: {
    operationId: 'readUsage',
    summary: 'Sum up what keys and owners have used',
    description:
      'Of all keys and owners with the scope `admin` or `usage:read`; with `usage:owner`, of the own owner alone.',
    tags,
    querystring: usageQuery,
    describes: {
      answers: {
        200: {
          description:
            'A row for each key, owner, route, model, day or month, as asked; latencies are of billable requests that were admitted.',
          schema: usageView,
          example: { usage: [usageExample] },
        },
      },
    },
  },
}
