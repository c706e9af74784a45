import {
  checkOptions,
  describeValue,
  isBoolean,
  isFunction,
  isOneOf,
  type OptionRule,
} from '../core/check-options.ts'
import { isScope, isScopeOrFamily, isShortName } from '../core/scope.ts'
import { limitSettingForms, parseLimitSettings } from '../limits/limit-setting.ts'
import type { Costs } from '../limits/usage/costs.ts'
import type { Demand } from './demand.ts'

const rules: Readonly<Record<keyof Demand, OptionRule>> = {
  scope: {
    expected: 'a scope, or an array of at least one: a-z 0-9 . _ : / -, starting with a letter',
    accepts: (value) => areScopes(typeof value === 'string' ? [value] : value),
  },
  anyScope: {
    expected: 'an array of at least one scope, or of `…:*`: a-z 0-9 . _ : / -, starting with a letter',
    accepts: (value) => areScopes(value, isScopeOrFamily),
  },
  limits: {
    expected: `an array of limits such as ${limitSettingForms}`,
    accepts: (value) => Array.isArray(value) && value.every((text) => typeof text === 'string'),
  },
  name: {
    expected: '1 to 64 of a-z 0-9 . _ : / -, starting with a letter',
    accepts: (value) => typeof value === 'string' && isShortName(value),
  },
  cost: { expected: 'an object of whole numbers from 0 on, by measure: `{ tokens: 500 }`', accepts: isPlain },
  anyKey: { expected: 'true or false', accepts: isBoolean },
  bearer: { expected: 'true or false', accepts: isBoolean },
  billable: { expected: 'true or false', accepts: isBoolean },
  session: { expected: '`read` or `csrf`', accepts: isOneOf('read', 'csrf') },
  model: {
    expected: 'a text of 1 to 100 characters',
    accepts: (value) => typeof value === 'string' && value.length > 0 && value.length <= 100,
  },
  needs: { expected: 'an array of demands', accepts: Array.isArray },
  check: { expected: 'a function', accepts: isFunction },
}

/**
 * Checks a demand when a route is declared, and those it needs, before any request could be let in
 * by a typing error.
 *
 * @param where what the message starts with, such as `guard`
 * @throws TypeError with everything that is wrong with it
 */
export function checkDemand(where: string, demand: unknown): void {
  checkNested(where, demand, [])
}

/** As `checkDemand`, where `'public'` will do too. */
export function checkGuardSetting(where: string, setting: unknown): void {
  if (typeof setting === 'string' && setting !== 'public')
    throw new TypeError(`${where}: expected a demand or 'public', got ${describeValue(setting)}`)
  if (setting !== 'public') checkDemand(where, setting)
}

function checkNested(where: string, demand: unknown, outer: readonly unknown[]): void {
  if (outer.includes(demand)) throw new TypeError(`${where}: a demand needs itself`)
  checkOptions(where, demand, rulesFor(demand))
  const {
    scope,
    anyScope,
    anyKey,
    session,
    billable,
    bearer,
    needs = [],
    limits = [],
    cost = {},
  } = demand as Demand
  checkCosts(where, cost)
  const [fault] = parseLimitSettings(limits).faults
  if (fault !== undefined)
    throw new TypeError(
      `${where}.limits[${fault.index}]: ${fault.message}, got ${describeValue(limits[fault.index])}`,
    )
  if (anyKey === true && (scope ?? anyScope) !== undefined)
    throw new TypeError(
      `${where}: \`anyKey\` and \`scope\`: expected one of them; a key without the scope is refused`,
    )
  if (outer.length > 0 && (anyKey ?? session ?? billable ?? bearer) !== undefined)
    throw new TypeError(
      `${where}: \`anyKey\`, \`session\`, \`billable\` and \`bearer\`: expected them in the outer demand alone`,
    )
  checkOperational(where, demand as Demand, (outer[0] ?? demand) as Demand)
  for (const [index, need] of needs.entries())
    checkNested(`${where}.needs[${index}]`, need, [...outer, demand])
}

/** A limit or a cost that would never be taken was meant to protect something. */
function checkOperational(where: string, { limits, cost }: Demand, outermost: Demand): void {
  if (outermost.billable === false && (limits ?? cost) !== undefined)
    throw new TypeError(
      `${where}: \`limits\` and \`cost\`: expected neither under \`billable: false\`; operational requests take \`limitOperational\` alone`,
    )
}

/**
 * A part that is there and undefined, such as a setting that was not found, would ask less than was
 * meant: it is wrong.
 */
function rulesFor(demand: unknown): typeof rules {
  const has = (name: string): boolean => Object.hasOwn(Object(demand), name)
  const entries = Object.entries(rules).map(([name, rule]) => [name, { ...rule, isRequired: has(name) }])
  return Object.fromEntries(entries) as typeof rules
}

function areScopes(value: unknown, accepts = isScope): boolean {
  if (!Array.isArray(value) || value.length === 0) return false
  return value.every((scope) => typeof scope === 'string' && accepts(scope))
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkCosts(where: string, costs: Costs): void {
  for (const [measure, cost] of Object.entries(costs) as [string, unknown][])
    if (!Number.isSafeInteger(cost) || Number(cost) < 0)
      throw new TypeError(
        `${where}: \`cost.${measure}\`: expected a whole number from 0 on, got ${describeValue(cost)}`,
      )
}
