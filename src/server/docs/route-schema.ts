import type { z } from 'zod'

/** An answer that is not a problem. */
export interface RouteAnswer {
  readonly description: string
  /** None: the answer has no body. */
  readonly schema?: z.ZodType
  /** @default 'application/json' */
  readonly mediaType?: string
  /** What its own headers say, by their names. */
  readonly headers?: Readonly<Record<string, string>>
  readonly example?: unknown
}

/** What OpenAPI says of a route, beside the parts that Fastify itself checks. */
export interface RouteDescription {
  /** What the body is, where the route reads it itself. */
  readonly body?: z.ZodType
  readonly bodyIsOptional?: boolean
  /** What the query is, where the route reads it itself. */
  readonly querystring?: z.ZodType
  /** Request headers it looks at, beside the key. */
  readonly headers?: z.ZodObject
  readonly answers: Readonly<Record<number, RouteAnswer>>
  /** Statuses of problems it may answer beyond those that follow from what it takes. */
  readonly faults?: readonly number[]
}

/** The part of a route's schema that is ours. */
export interface RouteSchema {
  readonly operationId?: string
  readonly summary?: string
  readonly description?: string
  readonly tags?: readonly string[]
  readonly hide?: boolean
  readonly describes?: RouteDescription
}

declare module 'fastify' {
  interface FastifySchema {
    readonly describes?: RouteDescription
  }
}
