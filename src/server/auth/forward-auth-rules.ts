import type {
  ForwardAuthDemand,
  ForwardAuthRoute,
  ForwardAuthRule,
  ForwardAuthRules,
} from '../../config/forward-auth/forward-auth.ts'
import { createRouteTable, type PathReadings } from '../../config/forward-auth/route-table.ts'
import { hash } from '../../core/hash.ts'
import type { Refusal } from '../../core/refusal.ts'
import { isShortName } from '../../core/scope.ts'
import type { Demand } from '../../guard/demand.ts'

/** What a forwarded request has to fulfil. */
export interface ForwardTarget {
  /** As the record names it: `forward-auth models POST /v1/models/:name`. */
  readonly route: string
  readonly setting: Demand | 'public'
}

/** A rule, ready to be asked. */
export interface ForwardRule {
  readonly name: string
  /** Whether it matters what the request is for. */
  readonly hasRoutes: boolean
  /** Of a request that is on no route. */
  readonly unlisted: ForwardTarget
  /**
   * The one target that a request is for, however a server reads its path; undefined where servers
   * would take it for requests that demand different things.
   */
  readonly find: (methods: readonly string[], path: PathReadings) => ForwardTarget | undefined
}

interface RuleTarget extends ForwardTarget {
  /** The same where two targets demand the same; undefined for one that counts for itself. */
  readonly demands: string | undefined
}

/**
 * Refuses every key, and one that is wrong or missing for that: the key comes first here too, so
 * that a stranger learns nothing of the rules.
 */
export function refuseWith(refusal: Refusal): Demand {
  return {
    anyKey: true,
    check() {
      throw refusal
    },
  }
}

/** @param closed what a request meets that its rule does not list, and that is closed for that */
export function createForwardRules(
  rules: ForwardAuthRules,
  closed: Demand,
): ReadonlyMap<string, ForwardRule> {
  return new Map(Object.entries(rules).map(([name, rule]) => [name, createRule(name, rule, closed)]))
}

function createRule(name: string, rule: ForwardAuthRule, closed: Demand): ForwardRule {
  const unlisted: RuleTarget =
    rule.unlisted === 'guarded'
      ? { route: `forward-auth ${name}`, setting: demandOfRule(name, rule), demands: describe(rule) }
      : { route: `forward-auth ${name}`, setting: closed, demands: 'closed' }
  const table = createRouteTable(
    rule.routes.map((route) => ({ ...route, target: createTarget(name, rule, route) })),
    () => true,
  )
  return {
    name,
    hasRoutes: rule.routes.length > 0,
    unlisted,
    find(methods, path) {
      const [target = unlisted, ...others] = methods.flatMap((method) =>
        table.read(method, path).map((route) => route?.target ?? unlisted),
      )
      return others.every((other) => isAlike(target, other)) ? target : undefined
    },
  }
}

function isAlike(one: RuleTarget, other: RuleTarget): boolean {
  return one === other || (one.demands !== undefined && one.demands === other.demands)
}

function createTarget(name: string, rule: ForwardAuthRule, own: ForwardAuthRoute): RuleTarget {
  const route = `forward-auth ${name} ${own.method} ${own.pattern}`
  if (own.isPublic) return { route, setting: 'public', demands: 'public' }
  const { scope = rule.scope, limits } = own
  const cost = { ...rule.cost, ...own.cost }
  const shared = demandOfRule(name, rule)
  const setting: Demand =
    limits === undefined
      ? { ...shared, ...demandOf({ ...rule, ...(scope && { scope }), cost }) }
      : {
          ...demandOf({ ...(scope && { scope }), cost, limits }),
          name: limitNameOf(name, own),
          ...(rule.limits && { needs: [{ limits: rule.limits, name: limitNameOf(name) }] }),
        }
  return {
    route,
    setting,
    demands: limits === undefined ? describe({ ...(scope && { scope }), cost }) : undefined,
  }
}

function demandOfRule(name: string, rule: ForwardAuthRule): Demand {
  return { ...demandOf(rule), ...(rule.limits && { name: limitNameOf(name) }) }
}

function demandOf({ scope, limits, cost = {} }: ForwardAuthDemand): Demand {
  return {
    ...(scope && { scope }),
    ...(limits && { limits }),
    ...(Object.keys(cost).length > 0 && { cost }),
  }
}

function describe({ scope = [], cost = {} }: ForwardAuthDemand): string {
  return JSON.stringify([scope.toSorted(), Object.entries(cost).toSorted()])
}

/**
 * What uses are kept under: the same after a restart, and for no other rule or route. Where the
 * route itself is no such name, a digest stands in for it, behind a dot, which begins no method.
 */
function limitNameOf(rule: string, route?: Pick<ForwardAuthRoute, 'method' | 'pattern'>): string {
  const shared = `forward-auth/${rule}`
  if (route === undefined) return shared
  const plain = `${shared}/${route.method.toLowerCase()}${route.pattern}`
  return isShortName(plain)
    ? plain
    : `${shared}/.${hash('sha256', `${route.method} ${route.pattern}`).slice(0, 16)}`
}
