import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { expect, test } from 'vitest'
import type { DescribeGuardOptions } from '../guard/describe-schemes.ts'
import { apiKeyHeader, bearer } from '../guard/scheme.ts'
import { createTestWard } from '../ward/test-ward.ts'
import { guardRoute, registerGuard } from './guard-route.ts'

async function createApp(options: DescribeGuardOptions = {}) {
  const ward = await createTestWard({
    scheme: [apiKeyHeader({ name: 'X-API-Key' }), bearer()],
    keys: { acme: { owner: 'acme', scopes: ['predict'] } },
  })
  const app = new OpenAPIHono()
  registerGuard(app.openAPIRegistry, ward)
  const mayPredict = guardRoute(ward, { scope: 'predict' }, options)
  const predict = createRoute({
    ...mayPredict,
    method: 'post',
    path: '/predict',
    request: { body: { content: { 'application/json': { schema: z.object({ text: z.string() }) } } } },
    responses: {
      ...mayPredict.responses,
      200: {
        description: 'Whose it is.',
        content: { 'application/json': { schema: z.object({ owner: z.string() }) } },
      },
    },
  })
  app.openapi(predict, (c) => c.json({ owner: c.var.caller.owner }, 200))
  const mayTrain = guardRoute(ward, { scope: 'train' }, options)
  const train = createRoute({
    ...mayTrain,
    method: 'post',
    path: '/train',
    responses: { ...mayTrain.responses, 403: { description: 'Own.' }, 204: { description: 'Done.' } },
  })
  app.openapi(train, (c) => c.body(null, 204))
  return { app, key: ward.testKeys.acme }
}

const info = { title: 'An API', version: '1' }

test('a route does what its document says: the guard, its security and its answers come from one demand', async () => {
  const { app, key } = await createApp()
  const { paths, components } = app.getOpenAPI31Document({ openapi: '3.1.0', info })
  const predict = paths?.['/predict']?.post
  expect(predict?.security).toEqual([{ ApiKeyHeader: ['predict'] }, { Bearer: ['predict'] }])
  expect(Object.keys(predict?.responses ?? {})).toEqual(['200', '401', '403', '429', '503'])
  expect(predict?.responses?.['401']).toMatchObject({
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  })
  expect(predict).not.toHaveProperty('middleware')
  expect(paths?.['/train']?.post?.responses?.['403']).toEqual({ description: 'Own.' })
  expect(components?.securitySchemes).toEqual({
    ApiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
    Bearer: { type: 'http', scheme: 'bearer' },
  })
  expect(components?.schemas).toMatchObject({ Problem: { type: 'object' } })

  const ask = (path: string, headers: Record<string, string>) =>
    app.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"text":"a"}',
    })
  expect(await (await ask('/predict', { 'x-api-key': key })).json()).toEqual({ owner: 'acme' })
  expect((await ask('/predict', {})).status).toBe(401)
  expect((await ask('/train', { 'x-api-key': key })).status).toBe(403)
})

test('the guard of a route comes before its body is read', async () => {
  const { app } = await createApp()
  const headers = { 'content-type': 'application/json' }
  expect((await app.request('/predict', { method: 'POST', headers, body: '{' })).status).toBe(401)
})

test('a document of OpenAPI 3.0 lists no scopes, and no types that 3.0 lacks', async () => {
  const { app } = await createApp({ openapi: '3.0' })
  const document = app.getOpenAPIDocument({ openapi: '3.0.3', info })
  expect(document.paths['/predict']?.post?.security).toEqual([{ ApiKeyHeader: [] }, { Bearer: [] }])
  expect(JSON.stringify(document)).not.toMatch(/"type":\[|"type":"null"/)
})

test('a wrong option is told', async () => {
  const ward = await createTestWard({ scheme: bearer() })
  expect(() => guardRoute(ward, {}, { openapi: '2.0' as '3.0' })).toThrow(
    'expected `3.0` or `3.1`, got "2.0"',
  )
  expect(() => guardRoute(ward, {}, { onfault: () => {} } as object)).toThrow('did you mean `onFault`?')
})
