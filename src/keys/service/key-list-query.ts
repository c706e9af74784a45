import { Refusal } from '../../core/refusal.ts'
import { durationInputForms, readDuration, readTimeAgo, type TimeInput } from '../../core/time.ts'
import type { KeyQuery } from '../store/key-store.ts'

/** Which keys to list. */
export interface KeyListQuery extends Partial<Omit<KeyQuery, 'unusedSince'>> {
  /**
   * Only keys that were not used from this moment on, and were made before it; a duration, `90d`,
   * ends now.
   */
  readonly unusedSince?: TimeInput | undefined
  /**
   * Only keys that were not used for so long, and were made before: `90d`, or milliseconds. In
   * place of `unusedSince`.
   */
  readonly unused?: string | number | undefined
}

/**
 * A whole query, with defaults for what is left out.
 *
 * @param now milliseconds since the epoch: durations count from here
 * @throws Refusal `input_invalid` for what is no time, and for `unused` beside `unusedSince`
 */
export function readListQuery({ unused, unusedSince, ...query }: KeyListQuery = {}, now: number): KeyQuery {
  const whole = { sort: 'created_at' as const, descending: true, limit: 100, ...query }
  if (unused !== undefined) {
    if (unusedSince !== undefined)
      throw invalid('unused', 'expected as `unused` or as `unusedSince`, not both', 'duration')
    const unusedMs = readDuration(unused)
    if (unusedMs === undefined) throw invalid('unused', `expected ${durationInputForms}`, 'duration')
    return { ...whole, unusedSince: now - unusedMs }
  }
  // Any whole number, below zero too: a long duration before now begins before the epoch.
  if (unusedSince === undefined || Number.isSafeInteger(unusedSince))
    return { ...whole, unusedSince: unusedSince as number | undefined }
  const since = readTimeAgo(unusedSince, now)
  if (typeof since === 'string') throw invalid('unused_since', since, 'time')
  return { ...whole, unusedSince: since }
}

function invalid(field: string, msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc: ['query', field], msg, type }] })
}
