import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../../test/support/test-app.ts'
import { apiKeyHeader, bearer } from '../../guard/scheme.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly requestBody?: {
    readonly required?: boolean
    readonly content: Readonly<Record<string, { readonly schema: object }>>
  }
  readonly responses: Readonly<Record<string, { readonly content?: object }>>
}

let opened: TestApp
let document: {
  readonly openapi: string
  readonly components: { readonly securitySchemes: object }
  readonly paths: Readonly<Record<string, { readonly get?: Operation; readonly post?: Operation }>>
}

beforeAll(async () => {
  opened = await openTestApp({ ward: { schemes: [apiKeyHeader({ name: 'X-API-Key' }), bearer()] } })
  const answer = await opened.app.inject({
    url: '/openapi.json',
    headers: { 'x-api-key': opened.keys.admin },
  })
  document = answer.json()
})
afterAll(() => opened.app.close())

const operations = (): readonly [string, Operation][] =>
  Object.entries(document.paths).flatMap(([url, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method} ${url}`,
      operation,
    ]),
  )

describe('the OpenAPI document', () => {
  test('names the schemes that the server takes', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.components.securitySchemes).toEqual({
      ApiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      Bearer: { type: 'http', scheme: 'bearer' },
    })
  })

  test('says of every operation who it is for, and of every guarded one the refusals of the guard', () => {
    for (const [name, { security, responses, operationId, summary }] of operations()) {
      expect([name, operationId, summary]).not.toContain(undefined)
      if (security.length > 0)
        for (const status of ['401', '403', '429', '503'])
          expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining([status])])
    }
    const predict = document.paths['/predict']?.post
    expect(predict?.security).toEqual([
      { ApiKeyHeader: ['predict'] },
      { Bearer: ['predict'] },
      { ApiKeyHeader: ['predict:constant'] },
      { Bearer: ['predict:constant'] },
    ])
    expect(Object.keys(predict?.responses ?? {})).toEqual([
      '200',
      '202',
      '400',
      '401',
      '403',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '502',
      '503',
      '504',
    ])
    expect(document.paths['/v1/keys/self']?.get?.security).toEqual([{ ApiKeyHeader: [] }, { Bearer: [] }])
    expect(document.paths['/health']?.get?.security).toEqual([])
  })

  test('every problem has the type of problems, and every reference leads somewhere', () => {
    const text = JSON.stringify(document)
    expect(text).not.toContain('x-modelward')
    for (const [, reference = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = reference
        .split('/')
        .reduce<unknown>((at, step) => (at as Record<string, unknown>)?.[step], document)
      expect([reference, found]).not.toContain(undefined)
    }
    for (const [, { responses }] of operations())
      for (const [status, { content }] of Object.entries(responses))
        if (status >= '400') expect(Object.keys(content ?? {})).toEqual(['application/problem+json'])
  })

  test('calls a body optional where it is', () => {
    expect(document.paths['/predict']?.post?.requestBody?.required).toBe(false)
    expect(document.paths['/v1/keys/{id}/revoke']?.post?.requestBody?.required).toBe(false)
    expect(document.paths['/v1/keys']?.post?.requestBody?.required).toBe(true)
    expect(Object.keys(document.paths['/session']?.post?.requestBody?.content ?? {})).toEqual([
      'application/json',
      'application/x-www-form-urlencoded',
    ])
  })

  test('is open to anyone where the docs are, and only they', async () => {
    const { app } = await openTestApp({ docs: 'open' })
    for (const url of ['/openapi.json', '/docs', '/docs/swagger-ui-bundle.js'])
      expect((await app.inject(url)).statusCode).toBe(200)
    expect((await app.inject({ method: 'POST', url: '/predict' })).statusCode).toBe(401)
    await app.close()
  })
})
