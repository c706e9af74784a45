import { isScope } from '../../core/scope.ts'
import { suggest } from '../../core/suggest.ts'
import { type Check, checkFields, checkLimits, fault, isObject, within } from '../object-faults.ts'
import type { InputFault } from '../setting.ts'
import { splitRoute } from './forward-auth.ts'
import { createRouteTable, isRoutePattern } from './route-table.ts'

// Not by `import`: that loads Node's `fetch` too, a tenth of what a short command takes.
const { METHODS } = process.getBuiltinModule('node:http')

/** Everything that is wrong with the rules of a configuration file, at once. */
export function findForwardAuthFaults(input: unknown): readonly InputFault[] {
  if (!isObject(input)) return [fault('', 'an object of rules by name', input)]
  return Object.entries(input).flatMap(([name, rule]) => {
    const at = within('', name)
    return [...checkName(at, name), ...checkRule(at, rule), ...findSameRoutes(at, rule)]
  })
}

const namePattern = /^[a-z][a-z0-9._-]{0,31}$/

function checkName(at: string, name: string): readonly InputFault[] {
  const expected = 'the name of a rule: 1 to 32 of `a-z 0-9 . _ -`, starting with a letter'
  return namePattern.test(name) ? [] : [fault(at, expected, name)]
}

const checkScope: Check = (at, value) => {
  const scopes = typeof value === 'string' ? [value] : value
  const areScopes = Array.isArray(scopes) && scopes.length > 0 && scopes.every(isScopeText)
  const expected =
    'a scope, or a list of at least one: 1 to 128 of `a-z 0-9 . _ : / -`, starting with a letter'
  return areScopes ? [] : [fault(at, expected, value)]
}

/** Every request is one request, and one at once: these are no estimate. */
const countedAlways = ['requests', 'concurrent']
const measurePattern = /^[a-z][a-z0-9_]{0,31}$/
/** Most measures of a cost, as a record has them, and most of one. */
const measuresMax = 16
const costMax = 1_000_000_000

const checkCost: Check = (at, value) => {
  if (!isObject(value)) return [fault(at, 'an object of whole numbers by measure: `{"tokens":500}`', value)]
  const measures = Object.entries(value)
  if (measures.length > measuresMax) return [fault(at, `at most ${measuresMax} measures`, measures.length)]
  return measures.flatMap(([measure, cost]) => {
    if (!measurePattern.test(measure) || countedAlways.includes(measure))
      return [fault(within(at, measure), 'a measure beyond one request, such as `tokens`', measure)]
    const isCost = Number.isSafeInteger(cost) && Number(cost) >= 0 && Number(cost) <= costMax
    return isCost ? [] : [fault(within(at, measure), `a whole number from 0 to ${costMax}`, cost)]
  })
}

const checkUnlisted: Check = (at, value) =>
  value === 'guarded' || value === 'closed' ? [] : [fault(at, '`guarded` or `closed`', value)]

const checkRoutes: Check = (at, value) =>
  Array.isArray(value)
    ? value.flatMap((route, index) => checkRoute(`${at}[${index}]`, route))
    : [fault(at, 'a list of routes', value)]

const checkPublic: Check = (at, value) =>
  typeof value === 'boolean' ? [] : [fault(at, '`true` or `false`', value)]

const checkRouteText: Check = (at, value) => {
  const expected = 'a method or `*`, a space, and a pattern: `POST /v1/models/:name`, `* /files/*`'
  const split = typeof value === 'string' ? splitRoute(value) : undefined
  if (split === undefined) return [fault(at, expected, value)]
  const { method, pattern } = split
  if (method !== '*' && !METHODS.includes(method)) {
    const meant = suggest(method, METHODS)
    return [{ ...fault(at, expected, value), ...(meant && { hint: `did you mean ${meant}?` }) }]
  }
  if (isRoutePattern(pattern)) return []
  const hint =
    'a segment is plain characters with no dot at the end, `:name`, or `*` as the last; a colon is written `::`; 128 characters at most'
  return [{ ...fault(at, expected, value), hint }]
}

const demandFields = { scope: checkScope, limits: checkLimits, cost: checkCost }
const checkRuleFields = checkFields({ ...demandFields, routes: checkRoutes, unlisted: checkUnlisted })
const checkRouteFields = checkFields({ route: checkRouteText, public: checkPublic, ...demandFields })

const checkRule: Check = (at, value) =>
  isObject(value) ? checkRuleFields(at, value) : [fault(at, 'a rule, which is an object', value)]

const checkRoute: Check = (at, value) => {
  if (!isObject(value)) return [fault(at, 'a route, which is an object', value)]
  const faults = [...checkRouteFields(at, value)]
  if (value['route'] === undefined) faults.push({ at: `${at}.route`, expected: 'it', got: 'nothing' })
  const demands = Object.keys(demandFields).filter((name) => value[name] !== undefined)
  if (value['public'] === true && demands.length > 0)
    faults.push({
      at,
      expected: 'a public route without a demand',
      got: `one with ${demands.map((name) => `\`${name}\``).join(' and ')}`,
    })
  return faults
}

/** What a route demands, to be compared; empty where it counts for itself. */
function demandOf(route: unknown): string {
  const { public: isPublic = false, scope, limits, cost } = route as Readonly<Record<string, unknown>>
  return limits === undefined ? JSON.stringify([isPublic, scope, cost]) : ''
}

/** Routes of which servers could not tell which is meant, among those that are routes. */
function findSameRoutes(at: string, rule: unknown): readonly InputFault[] {
  const routes = isObject(rule) && Array.isArray(rule['routes']) ? rule['routes'] : []
  const readable = routes.flatMap((route: unknown, index) => {
    const text = isObject(route) ? route['route'] : undefined
    const split = typeof text === 'string' ? splitRoute(text) : undefined
    return split === undefined || !isRoutePattern(split.pattern)
      ? []
      : { ...split, text, index, demand: demandOf(route) }
  })
  const { same } = createRouteTable(
    readable,
    (one, other) => one.demand !== '' && one.demand === other.demand,
  )
  return same.map(({ route, earlier }) => ({
    at: `${at}.routes[${route.index}].route`,
    expected: 'a route that servers can tell from the others',
    got: `the same as ${JSON.stringify(earlier.text)}`,
    ...(route.pattern !== earlier.pattern && {
      hint: 'some servers take letters of either case for the same, and leave out a slash at the end',
    }),
  }))
}

function isScopeText(value: unknown): boolean {
  return typeof value === 'string' && isScope(value)
}
