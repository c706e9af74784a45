import type { InputError } from '../core/refusal.ts'
import { parseLimitSetting, parseLimitSettings } from './limit-setting.ts'

/** Limits as they are kept, each in its shortest form; what is no limit stays as it is, for `limitErrors` to tell of. */
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
