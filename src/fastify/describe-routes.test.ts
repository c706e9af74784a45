import swagger, { type FastifyDynamicSwaggerOptions, type SwaggerTransform } from '@fastify/swagger'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestWard } from '../../test/support/open-test-ward.ts'
import { apiKeyHeader, bearer } from '../guard/scheme.ts'
import { type DescribeRoutesOptions, describeRoutes } from './describe-routes.ts'
import { modelward } from './guard.ts'

interface Operation {
  readonly security?: readonly object[]
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>
}
interface Document {
  readonly components: {
    readonly securitySchemes: object
    readonly schemas: Readonly<Record<string, object>>
  }
  readonly paths: Readonly<Record<string, { readonly get?: Operation; readonly post?: Operation }>>
}

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

const openWard = () => openTestWard({ schemes: [apiKeyHeader({ name: 'X-API-Key' }), bearer()] })
type Ward = Awaited<ReturnType<typeof openWard>>

/** An app whose document tells of the guard; `declare` registers the plugin and the routes. */
async function documented(
  declare: (app: FastifyInstance, ward: Ward) => unknown,
  options: FastifyDynamicSwaggerOptions = {},
  described: DescribeRoutesOptions<Parameters<SwaggerTransform>[0]> = {},
): Promise<{ app: FastifyInstance; ward: Ward; document: Document }> {
  const ward = await openWard()
  const app = fastify()
  apps.push(app)
  const openapi = { openapi: '3.1.0', info: { title: 'An API', version: '1' } }
  await app.register(swagger, { openapi, transform: describeRoutes(ward, described), ...options })
  await declare(app, ward)
  await app.ready()
  // The plugin's type is of every version of OpenAPI; the tests read one.
  return { app, ward, document: app.swagger() as unknown as Document }
}

const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }

describe('the document of @fastify/swagger', () => {
  test('names the schemes and the problem; every guarded route has its security and the guard’s answers', async () => {
    const { document } = await documented(async (app, ward) => {
      await app.register(modelward, { ward })
      app.post('/predict', { config: { guard: { scope: 'predict' } } }, async () => 'in')
      app.get('/models/:id', async () => 'in')
      app.get('/health', { config: { guard: 'public' } }, async () => 'ok')
    })
    expect(document.components.securitySchemes).toEqual({
      ApiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      Bearer: { type: 'http', scheme: 'bearer' },
    })
    expect(document.components.schemas).toMatchObject({ Problem: { type: 'object' } })
    const predict = document.paths['/predict']?.post
    expect(predict?.security).toEqual([{ ApiKeyHeader: ['predict'] }, { Bearer: ['predict'] }])
    expect(Object.keys(predict?.responses ?? {})).toEqual(['200', '401', '403', '429', '503'])
    for (const status of ['401', '403', '429', '503'])
      expect(predict?.responses[status]?.content).toEqual(problem)
    expect(document.paths['/models/{id}']?.get?.security).toEqual([{ ApiKeyHeader: [] }, { Bearer: [] }])
    const health = document.paths['/health']?.get
    expect([health?.security, Object.keys(health?.responses ?? {})]).toEqual([[], ['200']])
  })

  test('tells the same whether swagger comes before the guard or after it, and of routes ahead of the guard', async () => {
    const ward = await openWard()
    const app = fastify()
    apps.push(app)
    await app.register(modelward, { ward })
    await app.register(swagger, { openapi: { openapi: '3.1.0' }, transform: describeRoutes(ward) })
    app.get('/later', async () => 'in')
    await app.ready()
    const { document } = await documented(async (other, own) => {
      other.get('/later', async () => 'in')
      await other.register(modelward, { ward: own })
    })
    expect((app.swagger() as unknown as Document).paths['/later']).toEqual(document.paths['/later'])
    expect(document.paths['/later']?.get?.security).toEqual([{ ApiKeyHeader: [] }, { Bearer: [] }])
  })

  test('what a route says of itself stays', async () => {
    const { document } = await documented(async (app, ward) => {
      await app.register(modelward, { ward })
      const response = {
        200: { type: 'object', description: 'The answer.', properties: { a: { type: 'string' } } },
        429: { type: 'string', description: 'Ours.' },
      }
      app.get('/own', { schema: { summary: 'Own', response, security: [{ Bearer: [] }] } }, async () => ({}))
    })
    const own = document.paths['/own']?.get
    expect(own).toMatchObject({ summary: 'Own', security: [{ Bearer: [] }] })
    expect(own?.responses['429']?.description).toBe('Ours.')
    expect(own?.responses['200']?.description).toBe('The answer.')
    expect(own?.responses['401']?.content).toEqual(problem)
  })

  test('what the document says itself stays, and is not written to', async () => {
    const mine = { type: 'http', scheme: 'bearer', description: 'Mine.' } as const
    const securitySchemes = { Bearer: mine, Other: { type: 'http', scheme: 'basic' } as const }
    const { document } = await documented(
      async (app, ward) => {
        await app.register(modelward, { ward })
        app.get('/a', async () => 'in')
      },
      { openapi: { openapi: '3.1.0', components: { securitySchemes } } },
    )
    expect(document.components.securitySchemes).toMatchObject({ Bearer: mine, ApiKeyHeader: {}, Other: {} })
    expect(Object.keys(securitySchemes)).toEqual(['Bearer', 'Other'])
  })

  test('a route demands what the plugin that guards its scope does, and one outside what `default` says', async () => {
    const { document } = await documented(
      (app) => {
        app.get('/outside', async () => 'open')
      },
      {},
      { default: 'public' },
    )
    expect(document.paths['/outside']?.get?.security).toEqual([])
    const ward = await openWard()
    const app = fastify()
    apps.push(app)
    const transform = describeRoutes(ward, { default: 'public' })
    await app.register(swagger, { openapi: { openapi: '3.1.0' }, transform })
    await app.register(async (scope) => {
      await scope.register(modelward, { ward, default: { scope: 'read' } })
      scope.get('/inside', async () => 'in')
    })
    await app.ready()
    const inside = (app.swagger() as unknown as Document).paths['/inside']?.get
    expect(inside?.security).toEqual([{ ApiKeyHeader: ['read'] }, { Bearer: ['read'] }])
  })

  test('another transform comes first, and the routes of another ward are left to its own', async () => {
    const other = await openTestWard({ schemes: [apiKeyHeader({ name: 'X-Other' })] })
    const first: SwaggerTransform = ({ schema, url }) => ({
      schema: { ...schema, summary: 'First' },
      url: `/v1${url}`,
    })
    const { document } = await documented(
      async (app, ward) => {
        app.register(async (scope) => {
          await scope.register(modelward, { ward })
          scope.get('/ours', async () => 'in')
        })
        app.register(async (scope) => {
          await scope.register(modelward, { ward: other })
          scope.get('/theirs', async () => 'in')
        })
      },
      {},
      { transform: first },
    )
    expect(document.paths['/v1/ours']?.get).toMatchObject({ summary: 'First', security: [{}, {}] })
    expect(document.paths['/v1/theirs']?.get).toEqual({
      summary: 'First',
      responses: { 200: { description: 'Default Response' } },
    })
  })

  test('one of OpenAPI 3.0, swagger’s default, lists no scopes and no types that 3.0 lacks', async () => {
    const declare = async (app: FastifyInstance, ward: Ward) => {
      await app.register(modelward, { ward, default: { scope: 'predict' } })
      app.get('/a', async () => 'in')
    }
    const { document } = await documented(declare, { openapi: {} })
    expect(document.paths['/a']?.get?.security).toEqual([{ ApiKeyHeader: [] }, { Bearer: [] }])
    expect(document.paths['/a']?.get?.responses['403']?.description).toContain('`predict`')
    expect(JSON.stringify(document)).not.toMatch(/"type":\[|"type":"null"/)
  })

  test('routes validate and serialize as they did', async () => {
    const schema = { body: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } } }
    const { app, ward, document } = await documented(async (scope, own) => {
      await scope.register(modelward, { ward: own })
      scope.post('/predict', { schema }, async (_request, reply) => reply.code(429).send({ own: 'shape' }))
    })
    expect(Object.keys(document.paths['/predict']?.post?.responses ?? {})).toContain('429')
    const { text: key } = await ward.keys.create({ name: 'a' })
    const ask = (payload: object) =>
      app.inject({ method: 'POST', url: '/predict', headers: { 'x-api-key': key }, payload })
    expect((await ask({ text: 'a' })).json()).toEqual({ own: 'shape' })
    expect((await ask({})).statusCode).toBe(400)
    expect(schema).not.toHaveProperty('response')
  })
})

test('a document of Swagger 2.0 is refused, with what to do', async () => {
  const ward = await openWard()
  const app = fastify()
  apps.push(app)
  await app.register(swagger, { transform: describeRoutes(ward) })
  app.get('/a', async () => 'in')
  await app.ready()
  expect(() => app.swagger()).toThrow('expected @fastify/swagger with its option `openapi`, got Swagger 2.0')
})

test('wrong options are told when they are given', async () => {
  const ward = await openWard()
  expect(() => describeRoutes(ward, { default: 'open' as 'public' })).toThrow("a demand or 'public'")
  expect(() => describeRoutes(ward, { transfrom: () => {} } as object)).toThrow('did you mean `transform`?')
})
