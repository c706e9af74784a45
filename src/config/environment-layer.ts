import { suggest } from '../core/suggest.ts'
import type { ConfigFault } from './config-fault.ts'
import { checkLayer, type Layer, parseSettingText, type RawSetting } from './layer.ts'
import { environmentNames } from './setting-names.ts'

/** The process environment, by shape. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The settings in the environment. A `MODELWARD_` name that means nothing is a fault, and its value
 * is never shown; but what Kubernetes sets for a Service whose name begins with `modelward` is
 * ignored.
 */
export function readEnvironment(environment: Environment): Layer {
  const raw: RawSetting[] = []
  const faults: ConfigFault[] = []
  for (const [origin, text] of Object.entries(environment)) {
    if (text === undefined || !origin.startsWith('MODELWARD_') || isServiceLink(origin, text)) continue
    if (!environmentNames.has(origin)) {
      faults.push(unknownName(origin))
      continue
    }
    const name = environmentNames.get(origin)
    if (name !== undefined) raw.push({ name, input: parseSettingText(name, text), origin })
  }
  return checkLayer(raw, faults)
}

/**
 * Whether Kubernetes set a variable: each container gets `X_SERVICE_HOST`, `X_SERVICE_PORT_HTTP`,
 * `X_PORT=tcp://…` and `X_PORT_80_TCP_ADDR` of every Service `x` of its namespace (Kubernetes,
 * Services, Environment variables). Only its text tells `MODELWARD_PORT` from the setting.
 */
function isServiceLink(name: string, text: string): boolean {
  const isPort = name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(text)
  return (
    isPort ||
    /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name)
  )
}

function unknownName(where: string): ConfigFault {
  const unknown = { where, expected: 'the name of a setting', got: 'one that means nothing' }
  const meant = suggest(where, environmentNames.keys())
  return meant === undefined ? unknown : { ...unknown, hint: `did you mean ${meant}?` }
}
