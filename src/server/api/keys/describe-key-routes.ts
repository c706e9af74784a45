import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import type { RouteAnswer, RouteSchema } from '../../docs/route-schema.ts'
import { idempotencyHeaders } from '../idempotency-key.ts'
import {
  changedKeyView,
  forceQuery,
  importBody,
  issuedKeyView,
  keyChangesBody,
  keyPageView,
  keyParams,
  keyView,
  limitPageView,
  listQuery,
  newKeyBody,
  noBody,
  ownKeyView,
  revokeBody,
  rotateBody,
} from './key-schemas.ts'

/** The routes over keys, each by what it does. */
export type KeyRoute =
  | 'self'
  | 'rotateSelf'
  | 'revokeSelf'
  | 'limits'
  | 'resetLimits'
  | 'list'
  | 'import'
  | 'create'
  | 'rotate'
  | 'show'
  | 'update'
  | 'revoke'
  | 'disable'
  | 'enable'

const tags = ['keys']
const shown: RouteAnswer = { description: 'The key as it stands. Never its text.', schema: keyView }
const issued: RouteAnswer = {
  description: 'The key, with its text, which is not shown again.',
  schema: issuedKeyView,
}
const params = keyParams
const reach =
  'With `keys:write`, of everyone, but for keys that reach beyond one owner; with `keys:owner`, of the own owner, and no wider than the key that asks.'

/** What each route over keys takes, checked by Fastify, and what OpenAPI says of it. */
export const keyRouteSchemas: Readonly<Record<KeyRoute, FastifySchema & RouteSchema>> = {
  self: {
    operationId: 'readOwnKey',
    summary: 'Read the key that asks, and what is left of its limits',
    tags,
    describes: { answers: { 200: { ...shown, schema: ownKeyView } } },
  },
  rotateSelf: {
    operationId: 'rotateOwnKey',
    summary: 'Give the key that asks a new secret',
    description:
      'Asks for the scope `keys:self`, `keys:owner` or `admin`. 409 for a key that asks with an older one of two live secrets.',
    tags,
    body: rotateBody.meta({ examples: [{ overlap: '24h' }] }),
    describes: { bodyIsOptional: true, headers: idempotencyHeaders, answers: { 200: issued }, faults: [409] },
  },
  revokeSelf: {
    operationId: 'revokeOwnKey',
    summary: 'End the key that asks for good',
    description: 'Asks for the scope `keys:self`, `keys:owner` or `admin`.',
    tags,
    querystring: forceQuery,
    body: revokeBody.meta({ examples: [{ reason: 'leaked' }] }),
    describes: { bodyIsOptional: true, answers: { 200: shown }, faults: [409] },
  },
  limits: {
    operationId: 'readKeyLimits',
    summary: 'Read how the limits of a key stand',
    description:
      'Those that each of its requests meets: its own, its owner’s and everyone’s. A route may have more. With `keys:owner`, of a key of the own owner.',
    tags,
    params,
    describes: { answers: { 200: { description: 'The limits.', schema: limitPageView } } },
  },
  resetLimits: {
    operationId: 'resetKeyLimits',
    summary: 'Forget what a key has used of its own limits',
    description:
      'Its owner’s, a route’s and everyone’s stay as they are, and so do requests that are under way.',
    tags,
    params,
    body: noBody,
    describes: {
      bodyIsOptional: true,
      answers: { 200: { description: 'The limits, as they stand now.', schema: limitPageView } },
    },
  },
  list: {
    operationId: 'listKeys',
    summary: 'List keys, newest first',
    description: 'With `keys:owner`, those of the own owner alone.',
    tags,
    querystring: listQuery,
    describes: {
      answers: { 200: { description: 'A page; `next_cursor` is null on the last.', schema: keyPageView } },
    },
  },
  import: {
    operationId: 'importKeys',
    summary: 'Take over keys made elsewhere, by their hash',
    description:
      'All or none. The stored hashes are under the pepper at once; a hash that was imported before is refused.',
    tags,
    body: importBody,
    describes: {
      answers: { 201: { description: 'The keys.', schema: z.object({ keys: z.array(keyView) }) } },
      faults: [409],
    },
  },
  create: {
    operationId: 'createKey',
    summary: 'Create a key',
    description: reach,
    tags,
    body: newKeyBody.meta({ examples: [{ name: 'mobile app', scopes: ['predict'], expires_in: '30d' }] }),
    describes: { headers: idempotencyHeaders, answers: { 201: issued }, faults: [409] },
  },
  rotate: {
    operationId: 'rotateKey',
    summary: 'Give a key a new secret',
    description: `The id stays. The old secret goes on for the overlap; without one it ends now. ${reach}`,
    tags,
    params,
    body: rotateBody.meta({ examples: [{ overlap: '24h' }] }),
    describes: { bodyIsOptional: true, headers: idempotencyHeaders, answers: { 200: issued }, faults: [409] },
  },
  show: {
    operationId: 'readKey',
    summary: 'Read a key',
    tags,
    params,
    describes: { answers: { 200: shown } },
  },
  update: {
    operationId: 'updateKey',
    summary: 'Change a key',
    description: `Fields that are not sent stay; null clears a time, and brings the default limits back. ${reach}`,
    tags,
    params,
    querystring: forceQuery,
    body: keyChangesBody,
    describes: { answers: { 200: { ...shown, schema: changedKeyView } }, faults: [409] },
  },
  revoke: {
    operationId: 'revokeKey',
    summary: 'End a key for good',
    description: reach,
    tags,
    params,
    querystring: forceQuery,
    body: revokeBody.meta({ examples: [{ reason: 'leaked' }] }),
    describes: { bodyIsOptional: true, answers: { 200: shown }, faults: [409] },
  },
  disable: {
    operationId: 'disableKey',
    summary: 'Switch a key off until it is enabled again',
    description: reach,
    tags,
    params,
    querystring: forceQuery,
    body: noBody,
    describes: { bodyIsOptional: true, answers: { 200: shown }, faults: [409] },
  },
  enable: {
    operationId: 'enableKey',
    summary: 'Switch a disabled key on again',
    description: reach,
    tags,
    params,
    body: noBody,
    describes: { bodyIsOptional: true, answers: { 200: shown }, faults: [409] },
  },
}
