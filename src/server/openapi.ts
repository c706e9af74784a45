import { readFileSync } from 'node:fs'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Scheme } from '../core/scheme.ts'
import { describeOperation, problemSchema } from './describe-operation.ts'

/** Collects every route into an OpenAPI 3.1 document, which is made when it is first asked for: `app.swagger()`. */
export async function describeApi(app: FastifyInstance, schemes: readonly Scheme[]): Promise<void> {
  const { default: swagger } = await import('@fastify/swagger')
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Modelward',
        description: 'API keys and a guard in front of AI models.',
        version: readVersion(),
        license: { name: 'MIT', identifier: 'MIT' } as { name: string },
      },
      tags: [
        { name: 'predict', description: 'Ask the model.' },
        { name: 'keys', description: 'Administer keys. All but `self` ask for the scope `admin`.' },
        { name: 'session', description: 'Sign a browser in and out.' },
        { name: 'health', description: 'For probes.' },
      ],
      components: {
        securitySchemes: Object.fromEntries(
          schemes.map((scheme) => [scheme.id, { ...scheme.description }]),
        ) as never,
        schemas: { Problem: problemSchema as never },
      },
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: describeOperation(schema, route as RouteOptions, schemes) as never,
    }),
  })
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return version
}
