import { describeValue } from '../core/check-options.ts'
import type { WindowLimit } from '../limits/limit.ts'
import { type LimitSetting, parseLimitSettings } from '../limits/limit-setting.ts'
import type { LimitDefaults } from '../limits/limit-uses.ts'

/** The limits of a deployment, read. */
export interface WardLimits extends LimitDefaults {
  /** Undefined: wrong keys are not limited. */
  readonly limitBadKeys: WindowLimit | undefined
}

/** Reads the limits of a deployment. @throws TypeError with every fault of the first option that has one */
export function readWardLimits(options: {
  readonly limitDefault?: readonly string[]
  readonly limitEveryone?: readonly string[]
  readonly limitBadKeys?: string
}): WardLimits {
  return {
    limitDefault: settingsOf('limitDefault', options.limitDefault ?? []),
    limitEveryone: settingsOf('limitEveryone', options.limitEveryone ?? []),
    limitBadKeys: badKeyLimitOf(options.limitBadKeys),
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

/** One sliding window of requests. @throws TypeError for anything else */
function badKeyLimitOf(text: string | undefined): WindowLimit | undefined {
  if (text === undefined) return undefined
  const [setting] = settingsOf('limitBadKeys', [text])
  if (setting?.limit.kind === 'window' && setting.limit.measure === 'requests' && !setting.isShadow)
    return setting.limit
  throw new TypeError(
    `\`limitBadKeys\`: expected a window of requests such as 30/min, got ${describeValue(text)}`,
  )
}
