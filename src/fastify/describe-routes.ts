import type { FastifySchema, RouteOptions } from 'fastify'
import { checkOptions, isFunction, type OptionRule } from '../core/check-options.ts'
import { checkWard } from '../guard/adapter-options.ts'
import { checkGuardSetting } from '../guard/check-demand.ts'
import type { GuardSetting } from '../guard/demand.ts'
import type { GuardDescription } from '../guard/describe-schemes.ts'
import type { Guard } from '../guard/guard.ts'

/** What `@fastify/swagger` passes its `transform` for a route, as far as this looks at it. */
export interface SwaggerRoute {
  readonly schema: FastifySchema
  readonly url: string
  readonly route: RouteOptions
  /** Undefined where the document is one of Swagger 2.0. */
  readonly openapiObject?: object
}

/** What a `transform` of `@fastify/swagger` gives. */
export interface SwaggerOperation {
  schema: FastifySchema
  url: string
}

/** How routes are described that say nothing themselves, and what describes them first. */
export interface DescribeRoutesOptions<Route extends SwaggerRoute = SwaggerRoute> {
  /** Another transform that comes first, such as the one of a type provider. @default none */
  readonly transform?: (route: Route) => SwaggerOperation
  /**
   * What a route demands that was declared ahead of the plugin, or outside of the scope that it
   * guards, and has no `config.guard`: the plugin has not seen it.
   * @default any key
   */
  readonly default?: GuardSetting
}

const rules: Readonly<Record<keyof DescribeRoutesOptions, OptionRule>> = {
  transform: { expected: 'a function', accepts: isFunction },
  // Looked at more closely below.
  default: { expected: "a demand or 'public'", accepts: () => true },
}

interface Guarded {
  readonly guard: Guard
  readonly setting: GuardSetting
}

/** What the plugin has seen, by the object that Fastify gives to every `onRoute` hook. */
const seen = new WeakMap<RouteOptions, Guarded>()

/** Remembers which guard a route is behind, and what it demands. */
export function rememberRoute(route: RouteOptions, guard: Guard, setting: GuardSetting): void {
  seen.set(route, { guard, setting })
}

interface Components {
  securitySchemes?: object
  schemas?: object
}

interface OpenApiDocument {
  readonly openapi?: string
  components?: Components
}

/** The parts of a route's schema that are about its guard; `security` is swagger's own addition. */
interface Operation {
  readonly security?: unknown
  readonly response?: unknown
}

/**
 * Describes the guard in `@fastify/swagger`, as its `transform`. Adds the ward's security schemes,
 * each route's `security`, and the answers 401, 403, 429 and 503. What a route's schema says itself
 * stays as it is, and nothing of this is seen by Fastify, which validates and serializes as before.
 *
 * @throws TypeError for options that are wrong; when the document is made, for one of Swagger 2.0
 * @example
 * await app.register(swagger, { openapi: { openapi: '3.1.0' }, transform: describeRoutes(ward) })
 */
export function describeRoutes<Route extends SwaggerRoute = SwaggerRoute>(
  ward: { readonly guard: Guard },
  options: DescribeRoutesOptions<Route> = {},
): (route: Route) => SwaggerOperation {
  checkWard('describeRoutes', ward)
  checkOptions('describeRoutes', options, rules)
  const { transform, default: fallback = {} } = options
  checkGuardSetting('describeRoutes: default', fallback)
  return (described) => {
    const { schema, url } = transform?.(described) ?? described
    const guarded = seen.get(described.route) ?? {
      guard: ward.guard,
      setting: described.route.config?.guard ?? fallback,
    }
    // Another ward's, with a description of its own.
    if (guarded.guard !== ward.guard) return { schema, url }
    const document = described.openapiObject as OpenApiDocument | undefined
    if (document === undefined)
      throw new TypeError(
        'describeRoutes: expected @fastify/swagger with its option `openapi`, got Swagger 2.0',
      )
    const openapi = document.openapi?.startsWith('3.0') === false ? '3.1' : '3.0'
    const guard = ward.guard.describe({ openapi })
    addComponents(document, guard)
    return { schema: describeRoute(schema, guarded.setting, guard), url }
  }
}

/**
 * Adds what routes refer to; what the document has under the same name is its author's, and stays.
 */
function addComponents(document: OpenApiDocument, { components }: GuardDescription): void {
  const { securitySchemes, schemas } = document.components ?? {}
  document.components = {
    ...document.components,
    securitySchemes: { ...components.securitySchemes, ...securitySchemes },
    schemas: { ...components.schemas, ...schemas },
  }
}

/**
 * What swagger says of a route that describes no answer; it would leave that out where there are
 * others.
 */
const defaultResponse = { 200: { description: 'Default Response', type: 'null' } }

function describeRoute(
  schema: Operation | undefined,
  setting: GuardSetting,
  guard: GuardDescription,
): FastifySchema {
  const security = schema?.security ?? guard.security(setting)
  if (setting === 'public') return { ...schema, security } as FastifySchema
  const own = schema?.response ?? defaultResponse
  return { ...schema, security, response: { ...guard.responses(setting), ...own } } as FastifySchema
}
