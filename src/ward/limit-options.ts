import { describeValue, isFunction, type OptionRule } from '../core/check-options.ts'
import type { LimitDefaults } from '../guard/request-limits.ts'
import { parseLimit, type WindowLimit } from '../limits/limit.ts'
import {
  isLimits,
  type LimitSetting,
  limitSettingForms,
  parseLimitSettings,
} from '../limits/limit-setting.ts'
import type { ShadowListener } from '../limits/shadow-listener.ts'

/** Limits of a deployment, beside those of keys, owners and routes. */
export interface LimitOptions {
  /** Limits of each key that has none of its own, such as `60/min`. @default none */
  readonly limitDefault?: readonly string[]
  /** Limits that all requests share. @default none */
  readonly limitEveryone?: readonly string[]
  /**
   * Limits of each client address (IPv6: one /64) that sends no key, where a scheme with
   * `autoError: false` lets it pass. Counted in memory. @default none
   */
  readonly limitAnonymous?: readonly string[]
  /**
   * How many wrong keys may come from one address (IPv6: one /64): a window of requests, or `none`.
   * @default '30/min'
   */
  readonly limitBadKeys?: string
  /**
   * How many operational requests (`billable: false`) each key may send, and its sessions apart;
   * without a key, each address. A window of requests, or `none`.
   * @default '600/min'
   */
  readonly limitOperational?: string
  /**
   * Called with each limit in shadow that would have refused, and the request that it let in.
   * @default none
   */
  readonly onShadow?: ShadowListener
}

const areLimits: OptionRule = {
  expected: `an array of limits, each of another window or measure: ${limitSettingForms}`,
  accepts: isLimits,
}

export const limitRules: Readonly<Record<keyof LimitOptions, OptionRule>> = {
  limitDefault: areLimits,
  limitEveryone: areLimits,
  limitAnonymous: areLimits,
  limitBadKeys: requestWindow('30/min'),
  limitOperational: requestWindow('600/min'),
  onShadow: { expected: 'a function', accepts: isFunction },
}

function requestWindow(example: string): OptionRule {
  return {
    expected: `a window of requests such as \`${example}\`, or \`none\``,
    accepts: (value) => value === 'none' || isRequestWindow(value),
  }
}

function isRequestWindow(value: unknown): boolean {
  const limit = typeof value === 'string' ? parseLimit(value) : undefined
  return typeof limit === 'object' && limit.kind === 'window' && limit.measure === 'requests'
}

/** The limits of a deployment, read. */
export interface WardLimits extends LimitDefaults {
  /** Undefined: wrong keys are not limited. */
  readonly limitBadKeys: WindowLimit | undefined
}

/**
 * Reads the limits of a deployment.
 * @throws TypeError with every fault of the first option that has one
 */
export function readWardLimits(options: {
  readonly schemes: readonly { readonly required: boolean }[]
  readonly limitDefault?: readonly string[] | undefined
  readonly limitEveryone?: readonly string[] | undefined
  readonly limitAnonymous?: readonly string[] | undefined
  readonly limitBadKeys?: string | undefined
  readonly limitOperational?: string | undefined
}): WardLimits {
  const limitAnonymous = settingsOf('limitAnonymous', options.limitAnonymous ?? [])
  if (limitAnonymous.length > 0 && options.schemes.every(({ required }) => required))
    throw new TypeError(
      '`limitAnonymous`: no scheme lets a request without a key pass; give one `autoError: false`',
    )
  return {
    limitDefault: settingsOf('limitDefault', options.limitDefault ?? []),
    limitEveryone: settingsOf('limitEveryone', options.limitEveryone ?? []),
    limitAnonymous,
    limitBadKeys: badKeyLimitOf(options.limitBadKeys),
    limitOperational: requestWindowOf('limitOperational', options.limitOperational ?? '600/min'),
  }
}

/** Limits as a deployment sets them. @throws TypeError with every fault */
function settingsOf(name: string, texts: readonly string[]): readonly LimitSetting[] {
  const { settings, faults } = parseLimitSettings(texts)
  if (faults.length === 0) return settings
  const all = faults.map(
    ({ index, message }) => `\`${name}[${index}]\`: ${message}, got ${describeValue(texts[index])}`,
  )
  throw new TypeError(all.join('; '))
}

function badKeyLimitOf(text = 'none'): WindowLimit | undefined {
  const [setting] = requestWindowOf('limitBadKeys', text)
  return setting?.limit.kind === 'window' ? setting.limit : undefined
}

/** One sliding window of requests; empty for `none`. @throws TypeError for anything else */
function requestWindowOf(name: string, text: string): readonly LimitSetting[] {
  if (text === 'none') return []
  const settings = settingsOf(name, [text])
  if (isRequestWindow(text)) return settings
  throw new TypeError(`\`${name}\`: expected a window of requests such as 30/min, got ${describeValue(text)}`)
}
