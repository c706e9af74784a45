import type { Costs } from './costs.ts'
import type { LimitSetting } from './limit-setting.ts'
import type { LimitUse } from './limiter.ts'

/** What one limit is called, for its counter and for the header. */
export interface NamedLimit {
  readonly setting: LimitSetting
  /** Whose it is: `key:7Qm2xT0bKc9Z`, `owner:acme`, `everyone`. */
  readonly subject: string
}

/** Whose limits, as headers and messages call it. */
export type LimitScope = 'key' | 'owner' | 'route' | 'everyone'

/** What a request uses of each limit. */
export function usesOf(limits: readonly NamedLimit[], costs: Costs = {}): readonly LimitUse[] {
  return limits.map(({ setting: { limit, text, isShadow }, subject }) => ({
    // Joined, the text is one piece; a template's would keep its parts beside it, for each key in use.
    name: [subject, text].join(' '),
    limit,
    isShadow,
    cost: costOf(limit.measure, costs),
  }))
}

/** Each request is one request, and one at a time, unless its demand says otherwise; other measures cost what is said. */
function costOf(measure: string, costs: Costs): number {
  return costs[measure] ?? (measure === 'requests' || measure === 'concurrent' ? 1 : 0)
}

/** Whose limit a counter's name is about. */
export function scopeOf({ name }: LimitUse): LimitScope {
  return (/^(?:key|owner|route|everyone)/.exec(name)?.[0] ?? 'everyone') as LimitScope
}

/** These settings as limits of one subject. */
export function named(subject: string, settings: readonly LimitSetting[]): readonly NamedLimit[] {
  return settings.map((setting) => ({ setting, subject }))
}
