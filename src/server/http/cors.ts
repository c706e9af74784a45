import type { FastifyInstance, FastifyRequest } from 'fastify'
import { limitHeaderNames } from '../../limits/limit-headers.ts'
import { isForwardAuth } from '../auth/forward-auth.ts'

export interface CorsOptions {
  readonly corsOrigins: readonly string[]
  readonly keyHeader: string
  /** Where model servers stand behind the server: their clients send headers of their own. */
  readonly gateway?: object | undefined
}

/** How long a browser may remember the answer to a preflight, in seconds. */
const maxAgeSeconds = 600

/** What the clients of OpenAI and Anthropic send from a browser, most of which stays here. */
const clientHeaders = [
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'openai-beta',
  'openai-organization',
  'openai-project',
  ...['lang', 'package-version', 'os', 'arch', 'runtime', 'runtime-version', 'retry-count', 'timeout'].map(
    (name) => `x-stainless-${name}`,
  ),
  'x-stainless-helper-method',
  'x-stainless-poll-helper',
]

/** What a page may read of a call's answer beside what all answers have. */
const upstreamHeaders = ['x-upstream-request-id', 'x-should-retry', 'openai-processing-ms']

/**
 * Lets pages of these origins call the server: the headers are on refusals too, so that the page
 * can read them, and a preflight, which browsers send without the key, is answered before the
 * guard. A session's CSRF header is not among what they may send.
 */
export async function allowOrigins(app: FastifyInstance, options: CorsOptions): Promise<void> {
  if (options.corsOrigins.length === 0) return
  const { default: cors } = await import('@fastify/cors')
  const settings = {
    origin: [...options.corsOrigins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'content-type',
      'authorization',
      'idempotency-key',
      'prefer',
      'last-event-id',
      'traceparent',
      'tracestate',
      options.keyHeader,
      ...(options.gateway === undefined ? [] : clientHeaders),
    ],
    exposedHeaders: [
      'x-request-id',
      'retry-after',
      ...limitHeaderNames,
      'www-authenticate',
      'location',
      'allow',
      'preference-applied',
      'idempotency-replayed',
      ...(options.gateway === undefined ? [] : upstreamHeaders),
    ],
    maxAge: maxAgeSeconds,
    strictPreflight: true,
  }
  await app.register(cors, {
    hideOptionsRoute: true,
    delegator: (request: FastifyRequest, done: (error: Error | null, options: typeof settings) => void) => {
      // Any other OPTIONS is a request like all others, and meets the guard; so is a proxy's, which
      // takes an answer to the preflight for leave to go on.
      done(
        null,
        isPreflight(request) && !isForwardAuth(request)
          ? settings
          : ({ ...settings, preflight: false } as typeof settings),
      )
    },
  })
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  )
}
