import type { FastifySchema } from 'fastify'
import type { RouteAnswer, RouteSchema } from '../../docs/route-schema.ts'
import { ownerBody, ownerListQuery, ownerPageView, ownerParams, ownerView } from './owner-schemas.ts'

const tags = ['owners']
const shown: RouteAnswer = { description: 'The owner’s limits, as they are kept.', schema: ownerView }

/** What each route over owners takes, checked by Fastify, and what OpenAPI says of it. */
export const ownerRouteSchemas: Readonly<Record<'list' | 'show' | 'set', FastifySchema & RouteSchema>> = {
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
