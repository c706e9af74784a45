import type { ConfigFault } from './config-fault.ts'
import { checkLayer, type Layer, parseSettingText, type RawSetting } from './layer.ts'
import { flagOf } from './setting-names.ts'
import { type SettingName, settings } from './settings.ts'

/** The texts given for each flag, in order; a list's flag may be there several times. */
export type SettingFlags = { readonly [Name in SettingName]?: readonly string[] }

/** The settings that the command line gives. */
export function readFlags(flags: SettingFlags): Layer {
  const raw: RawSetting[] = []
  const faults: ConfigFault[] = []
  for (const [key, texts] of Object.entries(flags)) {
    const name = key as SettingName
    const origin = flagOf(name)
    if (texts.length > 1 && settings[name].kind !== 'list')
      faults.push({ where: origin, expected: 'it once', got: `it ${texts.length} times` })
    raw.push({ name, input: parseSettingText(name, texts.join(',')), origin })
  }
  return checkLayer(raw, faults)
}
