import type { Limit } from './limit.ts'
import { parseLimitSettings } from './limit-setting.ts'

/** A limit that another, of the same key, owner or route, keeps from ever being reached. */
export interface UnreachableLimit {
  readonly limit: string
  /** The limit that refuses first, whatever is asked. */
  readonly reached_first: string
}

/** The limits that can never refuse a request: `1000/min` beside `10/h`. */
export function findUnreachableLimits(texts: readonly string[]): readonly UnreachableLimit[] {
  const { settings } = parseLimitSettings(texts)
  return settings.flatMap(({ text, limit }) => {
    const first = settings.find(
      (other) => other.limit !== limit && !other.isShadow && keepsBelow(other.limit, limit),
    )
    return first === undefined ? [] : [{ limit: text, reached_first: first.text }]
  })
}

/**
 * Whether `limit` never lets more pass than `other` does: in a window that is at least as long, no
 * more. Windows and the calendar are not compared, since a window may lie across a boundary.
 */
function keepsBelow(limit: Limit, other: Limit): boolean {
  if (limit.measure !== other.measure || limit.amount > other.amount) return false
  if (limit.kind === 'window' && other.kind === 'window') return limit.windowMs >= other.windowMs
  if (limit.kind === 'calendar' && other.kind === 'calendar')
    return limit.period === other.period || limit.period === 'month'
  return false
}
