import type { MiddlewareHandler } from 'hono'
import type { Demand } from '../guard/demand.ts'
import { describeGuard } from '../guard/describe-guard.ts'
import type { DescribeGuardOptions, GuardResponses, SecurityRequirement } from '../guard/describe-schemes.ts'
import type { Guard } from '../guard/guard.ts'
import { type CallerVariables, guard, type HonoGuardOptions } from './guard.ts'

/** A guard, and what OpenAPI says of it. */
export interface GuardedRoute<Required extends boolean> {
  middleware: MiddlewareHandler<{ Variables: CallerVariables<Required> }>
  security: SecurityRequirement[]
  responses: GuardResponses
}

/** How the guard of a described route works, and which version of OpenAPI it is described in. */
export interface GuardRouteOptions extends HonoGuardOptions, DescribeGuardOptions {}

/**
 * As `guard`, for `createRoute` of `@hono/zod-openapi`: the guard as the route's `middleware`, with
 * the `security` and `responses` that follow from the same demand, so that the document cannot say
 * another thing than what is done.
 *
 * @throws TypeError for a demand or an option that is wrong
 * @example
 * const mayPredict = guardRoute(ward, { scope: 'predict' })
 * const responses = { ...mayPredict.responses, 200: answer }
 * createRoute({ ...mayPredict, method: 'post', path: '/predict', responses })
 */
export function guardRoute<Required extends boolean>(
  ward: { readonly guard: Guard<Required> },
  demand: Demand = {},
  { openapi, ...options }: GuardRouteOptions = {},
): GuardedRoute<Required> {
  const middleware = guard(ward, demand, options)
  const { security, responses } = describeGuard(ward, openapi === undefined ? {} : { openapi })
  return { middleware, security: security(demand), responses: responses(demand) }
}

/** Where `@hono/zod-openapi` keeps what operations refer to. */
export interface ComponentRegistry {
  registerComponent(type: 'schemas' | 'securitySchemes', name: string, component: object): unknown
}

/**
 * Tells an app of `@hono/zod-openapi` what guarded routes refer to: the ward's security schemes,
 * and the problem.
 *
 * @example
 * registerGuard(app.openAPIRegistry, ward)
 */
export function registerGuard(registry: ComponentRegistry, ward: { readonly guard: Guard }): void {
  const { securitySchemes, schemas } = describeGuard(ward).components
  registry.registerComponent('schemas', 'Problem', schemas.Problem)
  for (const [name, scheme] of Object.entries(securitySchemes))
    registry.registerComponent('securitySchemes', name, scheme)
}
