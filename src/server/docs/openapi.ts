import { readFileSync } from 'node:fs'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { GuardDescription } from '../../guard/describe-schemes.ts'
import { describeOperation, optionalMark, problemSchema } from './describe-operation.ts'

/**
 * Collects every route into an OpenAPI 3.1 document, which is made when it is first asked for:
 * `app.swagger()`.
 */
export async function describeApi(
  app: FastifyInstance,
  { components, security }: GuardDescription,
): Promise<void> {
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
        { name: 'predict', description: 'Ask a model, at once or as a job.' },
        { name: 'jobs', description: 'Look after jobs. To every other owner a job is not there.' },
        { name: 'webhooks', description: 'Get a request when a job has ended.' },
        { name: 'keys', description: 'Administer keys. All but `self` ask for the scope `admin`.' },
        {
          name: 'owners',
          description: 'Limit what all keys of an owner use together. Asks for the scope `admin`.',
        },
        {
          name: 'ledger',
          description:
            'Read what was decided and changed. Asks for the scope `admin`, or for one that may only read this.',
        },
        { name: 'session', description: 'Sign a browser in and out.' },
        { name: 'health', description: 'For probes.' },
      ],
      components: {
        ...components,
        schemas: { Problem: problemSchema as never },
      },
    },
    transformObject: (document) =>
      'openapiObject' in document ? freeOptionalBodies(document.openapiObject) : document.swaggerObject,
    transform: ({ schema, url, route }) => ({
      url,
      schema: describeOperation(schema, route as RouteOptions, security) as never,
    }),
  })
}

interface Operation {
  readonly requestBody?: {
    required?: boolean
    readonly content: Readonly<Record<string, { readonly schema: Record<string, unknown> }>>
  }
}

/**
 * The collector calls every body required; takes that back where the description marks one as
 * optional.
 */
function freeOptionalBodies<Document extends { readonly paths?: object }>(document: Document): Document {
  for (const path of Object.values(document.paths ?? {}) as readonly object[]) {
    for (const { requestBody } of Object.values(path) as readonly Operation[]) {
      for (const { schema } of Object.values(requestBody?.content ?? {})) {
        if (requestBody !== undefined && schema[optionalMark] === true) requestBody.required = false
        delete schema[optionalMark]
      }
    }
  }
  return document
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return version
}
