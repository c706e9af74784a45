import { suggest } from '../core/suggest.ts'
import type { ConfigFault } from './config-fault.ts'
import { checkLayer, type Layer, parseSettingText, type RawSetting } from './layer.ts'
import { environmentNames } from './setting-names.ts'

/** The process environment, by shape. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The settings in the environment. A `MODELWARD_` name that means nothing is a fault, and its value
 * is never shown.
 */
export function readEnvironment(environment: Environment): Layer {
  const raw: RawSetting[] = []
  const faults: ConfigFault[] = []
  for (const [origin, text] of Object.entries(environment)) {
    if (text === undefined || !origin.startsWith('MODELWARD_')) continue
    if (!environmentNames.has(origin)) {
      faults.push(unknownName(origin))
      continue
    }
    const name = environmentNames.get(origin)
    if (name !== undefined) raw.push({ name, input: parseSettingText(name, text), origin })
  }
  return checkLayer(raw, faults)
}

function unknownName(where: string): ConfigFault {
  const unknown = { where, expected: 'the name of a setting', got: 'one that means nothing' }
  if (/^MODELWARD_(?:SERVICE_|PORT_\d)/.test(where))
    return {
      ...unknown,
      hint: 'Kubernetes sets this for a Service named modelward; set `enableServiceLinks: false`',
    }
  const meant = suggest(where, environmentNames.keys())
  return meant === undefined ? unknown : { ...unknown, hint: `did you mean ${meant}?` }
}
