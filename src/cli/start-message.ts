import type { DeploymentOptions } from '../config/settings.ts'
import type { FirstKeysReport } from '../server/first-keys.ts'

export interface StartReport {
  readonly config: DeploymentOptions
  /** Where the server listens, with the port it really has. */
  readonly address: string
  /** Undefined where the data folder had keys before. */
  readonly firstKeys: FirstKeysReport | undefined
}

/** What a server prints when it listens. Holds keys only if `firstKeys` does. */
export function startMessage({ config, address, firstKeys }: StartReport, asJson: boolean): string {
  const file = firstKeys !== undefined && 'file' in firstKeys ? firstKeys.file : undefined
  if (asJson) return JSON.stringify({ listening: address, first_keys_file: file ?? null })
  const lines = [`Modelward listens on ${address} (${config.environment} keys, data in ${config.data})`]
  if (file !== undefined)
    lines.push(`First start: an admin key and a demo key are in ${file}; keep them elsewhere and delete it.`)
  if (firstKeys !== undefined && 'keys' in firstKeys)
    lines.push('', ...showKeys(config, address, firstKeys.keys))
  return lines.join('\n')
}

function showKeys(
  config: DeploymentOptions,
  address: string,
  { admin, demo }: { readonly admin: string; readonly demo: string },
): readonly string[] {
  return [
    'First start. These keys are shown this once:',
    '',
    `  admin  ${admin}   manages keys`,
    `  demo   ${demo}   may call the model`,
    '',
    `Try it: a wrong key (${config.invalidKeyStatus}), no key (401), the demo key (an answer):`,
    '',
    ...[curl(config, address, 'wrong'), curl(config, address), curl(config, address, demo)],
    '',
  ]
}

/** A command that any POSIX shell takes as it is. */
function curl(config: DeploymentOptions, address: string, key?: string): string {
  // An address that stands for all of the machine's cannot be called.
  const target = address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
  const header = config.scheme.includes('header')
    ? `${config.keyHeader}: ${key}`
    : `Authorization: Bearer ${key}`
  const parts = ['curl -i', `${target}/predict`, ...(key === undefined ? [] : [`-H ${quote(header)}`])]
  return [...parts, "-H 'Content-Type: application/json'", `-d '{"text":"I love this product"}'`].join(' ')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
