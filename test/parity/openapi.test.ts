import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey, get, keyHeader } from './ask.ts'
import type { ParityTarget } from './parity-target.ts'
import { startServerTarget } from './start-server-target.ts'

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, unknown>> }
}

interface Document {
  readonly openapi: string
  readonly components: { readonly securitySchemes: Readonly<Record<string, unknown>> }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** The operations that anybody may call, on purpose. */
const publicOperations = ['delete /session', 'get /health', 'get /ready', 'post /session']

let target: ParityTarget
let document: Document
let operations: readonly { readonly name: string; readonly operation: Operation }[]
beforeAll(async () => {
  target = await startServerTarget({ schemes: ['header', 'bearer'] })
  const { body } = await get(target, '/openapi.json', [keyHeader(await createKey(target))])
  document = JSON.parse(body) as Document
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  )
})
afterAll(() => target.close())

describe('35 OpenAPI', () => {
  test('the scheme is an apiKey in the header X-API-Key; with bearer on, that too', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(document.components.securitySchemes).toEqual({
      ApiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      Bearer: { type: 'http', scheme: 'bearer' },
    })
  })

  test('every operation says its security: the public ones none at all, all others every scheme', () => {
    expect(operations.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['post /predict', 'post /v1/keys', 'get /v1/keys/{id}']),
    )
    const open = operations.filter(({ operation }) => operation.security?.length === 0)
    expect(open.map(({ name }) => name).toSorted()).toEqual(publicOperations)
    for (const { name, operation } of operations.filter((entry) => !open.includes(entry)))
      expect({ name, schemes: [...new Set(operation.security?.flatMap(Object.keys))] }).toEqual({
        name,
        schemes: ['ApiKeyHeader', 'Bearer'],
      })
  })

  /** The scopes beside `admin` that a route of the admin API asks for. */
  function beside(name: string): readonly string[] {
    const isRead = name.startsWith('get ')
    if (name === 'post /v1/keys/verify') return ['keys:verify']
    if (name.includes('/self/')) return ['keys:self', 'keys:owner']
    if (/\/v1\/(?:jobs|nodes)/.test(name)) return []
    const owned = /owners|import|reset/.test(name) ? [] : ['keys:owner']
    return [...(isRead ? ['keys:read'] : []), 'keys:write', ...owned]
  }

  test('POST /predict asks for the scope predict or its model’s own, the admin API for admin or one that does', () => {
    for (const { name, operation } of operations) {
      const scopes = new Set(operation.security?.flatMap((entry) => Object.values(entry).flat()))
      if (name === 'post /predict') expect([...scopes]).toEqual(['predict', 'predict:spy'])
      else if (/\/v1\/(?:keys|owners|jobs|nodes)/.test(name) && name !== 'get /v1/keys/self')
        expect({ name, scopes: [...scopes] }).toEqual({ name, scopes: ['admin', ...beside(name)] })
    }
  })

  test('guarded operations list 401, 403 and 429, those with input 422, each as a problem', () => {
    for (const { name, operation } of operations) {
      const statuses = Object.keys(operation.responses)
      if (!publicOperations.includes(name))
        expect(statuses).toEqual(expect.arrayContaining(['401', '403', '429', '503']))
      if (operation.requestBody !== undefined)
        expect(statuses).toEqual(expect.arrayContaining(['413', '415', '422']))
      for (const [status, { content }] of Object.entries(operation.responses))
        if (Number(status) >= 400)
          expect({ name, status, types: Object.keys(content ?? {}) }).toEqual({
            name,
            status,
            types: ['application/problem+json'],
          })
    }
    const predict = operations.find(({ name }) => name === 'post /predict')
    expect(Object.keys(predict?.operation.responses ?? {})).toEqual(
      expect.arrayContaining(['200', '202', '401', '403', '422']),
    )
    expect(Object.keys(predict?.operation.requestBody?.content ?? {})).toEqual(['application/json'])
  })

  test('every reference leads somewhere, and every operation has a summary', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      ([, path = '']) => path,
    )
    expect(references.length).toBeGreaterThan(0)
    for (const path of new Set(references)) {
      const found = path
        .split('/')
        .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document)
      expect({ path, isThere: found !== undefined }).toEqual({ path, isThere: true })
    }
    expect(operations.filter(({ operation }) => !operation.summary).map(({ name }) => name)).toEqual([])
  })

  test('no route is left out but those that serve the documentation itself', async () => {
    const paths = Object.keys(document.paths)
    expect(paths).toEqual(
      expect.arrayContaining([
        '/v1/keys/{id}/rotate',
        '/v1/keys/{id}/revoke',
        '/v1/keys/self',
        '/v1/owners',
        '/v1/owners/{owner}',
      ]),
    )
    expect(paths.filter((path) => path.startsWith('/docs'))).toEqual([])
  })
})
