import type { InputError } from '../core/refusal.ts'
import { type Limit, limitForms, parseLimit, windowOf } from './limit.ts'

/** A limit as it is set on a key, an owner, a route or everyone. */
export interface LimitSetting {
  /** In its shortest form, `60/min` or `shadow 60/min`: what is stored, shown and compared. */
  readonly text: string
  readonly limit: Limit
  /** Whether it refuses no request, and only reports what it would have refused. */
  readonly isShadow: boolean
}

/** A text among several that is no limit, or says again what another has said. */
export interface LimitFault {
  /** Where it stands, from 0. */
  readonly index: number
  /** The end of a sentence that begins with where it stood. */
  readonly message: string
}

/** Most limits that one key, owner or route may have. */
export const limitsMax = 8

/** How limits are set, for messages. */
export const limitSettingForms: string = `${limitForms}, each with \`shadow\` before it where it shall only tell`

/**
 * Reads a limit as it is set: `60/min`, or `shadow 60/min`. Gives what is wrong with another text,
 * as `parseLimit` does.
 */
export function parseLimitSetting(text: string): LimitSetting | string {
  const [, shadow, rest = ''] = /^\s*(shadow[ \t]+)?(.*)$/is.exec(text) ?? []
  const limit = parseLimit(rest)
  if (typeof limit === 'string') return limit
  const isShadow = shadow !== undefined
  return { text: isShadow ? `shadow ${limit.text}` : limit.text, limit, isShadow }
}

/**
 * Reads all limits of one key, owner or route; every fault at once, two limits of one measure and
 * one window among them.
 */
export function parseLimitSettings(texts: readonly string[]): {
  readonly settings: readonly LimitSetting[]
  readonly faults: readonly LimitFault[]
} {
  const settings: LimitSetting[] = []
  const faults: LimitFault[] = []
  const seen = new Map<string, string>()
  for (const [index, text] of texts.entries()) {
    const setting = parseLimitSetting(text)
    if (typeof setting === 'string') {
      faults.push({ index, message: setting })
      continue
    }
    const slot = `${setting.isShadow} ${windowOf(setting.limit)}`
    const before = seen.get(slot)
    if (before === undefined) settings.push(setting)
    else
      faults.push({
        index,
        message: `expected one limit for each window of a measure, got this beside ${before}`,
      })
    seen.set(slot, setting.text)
  }
  if (texts.length > limitsMax)
    faults.push({ index: limitsMax, message: `expected at most ${limitsMax} limits` })
  return { settings, faults }
}

/**
 * Limits as they are stored, each in its shortest form; a wrong one stays as it is, for
 * `limitErrors` to report.
 */
export function shortenLimits(texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const setting = parseLimitSetting(text)
    return typeof setting === 'string' ? text : setting.text
  })
}

/** Every fault of the limits of a key or an owner, placed at `limits`. */
export function limitErrors(texts: readonly string[]): readonly InputError[] {
  return parseLimitSettings(texts).faults.map(({ index, message }) => ({
    loc: ['limits', index],
    msg: message,
    type: 'limit',
  }))
}

/** Accepts an array of limits as people write them, such as `60/min`. */
export function isLimits(value: unknown): boolean {
  if (!Array.isArray(value) || !value.every((text) => typeof text === 'string')) return false
  return parseLimitSettings(value).faults.length === 0
}
