import { shortenLimits } from '../../limits/limit-setting.ts'
import type { Costs } from '../../limits/usage/costs.ts'

/** What a rule, or one of its routes, demands of a key. */
export interface ForwardAuthDemand {
  /** All that a key must have. @default any key but an admin's */
  readonly scope?: readonly string[]
  /** Each in its shortest form, for each key by itself. */
  readonly limits?: readonly string[]
  /** What a request uses beyond one request. */
  readonly cost?: Costs
}

/** A route of the server behind the proxy. */
export interface ForwardAuthRoute extends ForwardAuthDemand {
  /** `*` for every method. */
  readonly method: string
  /** `/v1/models/:name`, `/files/*` */
  readonly pattern: string
  readonly isPublic: boolean
}

/** What a proxy asks about under one name. */
export interface ForwardAuthRule extends ForwardAuthDemand {
  readonly routes: readonly ForwardAuthRoute[]
  /** What a request on no route of the list gets: the rule's own demand, or 404. */
  readonly unlisted: 'guarded' | 'closed'
}

/** Rules by name. */
export type ForwardAuthRules = Readonly<Record<string, ForwardAuthRule>>

/** The rule that is there unless the file says otherwise. */
const defaultRule = { scope: 'predict' }

/** The rules of a configuration file in which there is no fault. */
export function readForwardAuth(input: unknown): ForwardAuthRules {
  const rules = { default: defaultRule, ...(input as Readonly<Record<string, RuleInput>>) }
  return Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, readRule(rule)]))
}

/** The scopes that rules ask for, each once. */
export function scopesOfRules(rules: ForwardAuthRules): readonly string[] {
  const demands = Object.values(rules).flatMap((rule) => [rule, ...rule.routes])
  return [...new Set(demands.flatMap(({ scope = [] }) => scope))]
}

/** A method and a pattern; undefined for any other text. */
export function splitRoute(text: string): Pick<ForwardAuthRoute, 'method' | 'pattern'> | undefined {
  const [, method, pattern] = routeForm.exec(text) ?? []
  return method === undefined || pattern === undefined ? undefined : { method, pattern }
}

const routeForm = /^(\*|[A-Z][A-Z-]{0,19}) (\/\S*)$/

interface DemandInput extends Omit<ForwardAuthDemand, 'scope'> {
  readonly scope?: string | readonly string[]
}

interface RuleInput extends DemandInput {
  readonly routes?: readonly (DemandInput & { readonly route: string; readonly public?: boolean })[]
  readonly unlisted?: 'guarded' | 'closed'
}

function readRule({ routes = [], unlisted = 'guarded', ...demand }: RuleInput): ForwardAuthRule {
  return {
    ...readDemand(demand),
    unlisted,
    routes: routes.map(({ route, public: isPublic = false, ...own }) => {
      const split = splitRoute(route)
      if (split === undefined) throw new TypeError('a route that was not checked')
      return { ...split, isPublic, ...readDemand(own) }
    }),
  }
}

function readDemand({ scope, limits, cost }: DemandInput): ForwardAuthDemand {
  return {
    ...(scope !== undefined && { scope: typeof scope === 'string' ? [scope] : scope }),
    ...(limits !== undefined && { limits: shortenLimits(limits) }),
    ...(cost !== undefined && { cost }),
  }
}
