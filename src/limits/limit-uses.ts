import { type Limit, windowOf } from './limit.ts'
import { limitFieldsOf } from './limit-headers.ts'
import type { LimitSetting } from './limit-setting.ts'
import type { LimitScope, LimitUse } from './limiter.ts'
import type { Costs } from './usage/costs.ts'

/** A limit and its subject, which its uses are counted under. */
export interface NamedLimit {
  readonly setting: LimitSetting
  readonly scope: LimitScope
  /** Unique across all scopes: `key:7Qm2xT0bKc9Z`, `owner:acme`, `everyone`. */
  readonly subject: string
  /** Whether the subject is a client's address. @default false */
  readonly isOfAddress?: boolean
}

/**
 * What a request uses of each limit. Made once for each key in the cache, not for each request. Of
 * two limits that count the same, the smaller holds for both, and a request counts once.
 */
export function usesOf(limits: readonly NamedLimit[], costs: Costs = {}): readonly LimitUse[] {
  const strictest = new Map<string, NamedLimit>()
  for (const one of limits) {
    const counter = counterOf(one)
    const known = strictest.get(counter)
    if (known === undefined || one.setting.limit.amount < known.setting.limit.amount)
      strictest.set(counter, one)
  }
  return [...strictest].map(
    ([
      counter,
      {
        setting: { limit, text, isShadow },
        scope,
        subject,
        isOfAddress = false,
      },
    ]) => {
      const policy = policyOf(scope, limit)
      return {
        counter,
        // Joined, the text is one piece; a template's would keep its parts beside it.
        name: [subject, text].join(' '),
        scope,
        policy,
        fields: limitFieldsOf(policy, limit),
        limit,
        isShadow,
        isOfAddress,
        cost: costOf(limit.measure, costs),
      }
    },
  )
}

/**
 * The mark of a shadow is last, where no name of a subject can stand: that of the owner `a` was the
 * limit itself of one named `a shadow`. Limits that refuse have the names that uses are kept under.
 */
function counterOf({ setting: { limit, isShadow }, subject }: NamedLimit): string {
  const window = windowOf(limit) ?? ''
  return (isShadow ? [subject, window, 'shadow'] : [subject, window]).join(' ')
}

/** These settings as limits of one subject. */
export function namedLimits(
  scope: LimitScope,
  subject: string,
  settings: readonly LimitSetting[],
): readonly NamedLimit[] {
  return settings.map((setting) => ({ setting, scope, subject }))
}

/** A request counts as one request, and as one at a time, unless its demand says otherwise. */
function costOf(measure: string, costs: Costs): number {
  // Own ones alone: a measure may be called `constructor`.
  const cost = Object.hasOwn(costs, measure) ? costs[measure] : undefined
  return cost ?? (measure === 'requests' || measure === 'concurrent' ? 1 : 0)
}

const windowNames: Readonly<Record<number, string>> = {
  1000: 'second',
  60000: 'minute',
  3600000: 'hour',
  86400000: 'day',
}

/**
 * `minute` for a key's own limit on requests a minute; `owner-minute-tokens` for its owner's on
 * tokens.
 */
function policyOf(scope: LimitScope, limit: Limit): string {
  const span = spanOf(limit)
  const measure = limit.measure === 'requests' || limit.kind === 'concurrent' ? [] : [limit.measure]
  return scope === 'key' && measure.length === 0
    ? span
    : [...(scope === 'key' ? [] : [scope]), span, ...measure].join('-')
}

function spanOf(limit: Limit): string {
  if (limit.kind === 'concurrent') return 'concurrent'
  if (limit.kind === 'calendar') return `calendar-${limit.period}`
  return windowNames[limit.windowMs] ?? limit.text.slice(limit.text.indexOf('/') + 1)
}
