import { type ConfigFault, showValue } from './config-fault.ts'
import type { SettingInput } from './setting.ts'
import { type DeploymentOptions, type SettingName, settings } from './settings.ts'

/** A setting as one source gives it. */
export interface SettingValue {
  readonly name: SettingName
  /** As a configuration file would hold it. */
  readonly input: SettingInput
  /** What it means. */
  readonly value: DeploymentOptions[SettingName]
  /** The flag, environment name or `file: key` it came from. */
  readonly origin: string
}

/** What one source of settings says, right and wrong. */
export interface Layer {
  readonly values: readonly SettingValue[]
  readonly faults: readonly ConfigFault[]
}

/** What a source gave under a name, before it is checked. */
export interface RawSetting {
  readonly name: SettingName
  readonly input: unknown
  readonly origin: string
}

/**
 * Checks each setting of a source, those that a stronger source overrules too: no fault is ignored.
 */
export function checkLayer(raw: readonly RawSetting[], faults: readonly ConfigFault[] = []): Layer {
  const values: SettingValue[] = []
  const found: ConfigFault[] = [...faults]
  for (const { name, input, origin } of raw) {
    const result = settings[name].schema.safeParse(input)
    if (result.success) values.push({ name, input: input as SettingInput, value: result.data, origin })
    else found.push(...faultsOf(name, input, origin))
  }
  return { values, faults: found }
}

function faultsOf(name: SettingName, input: unknown, origin: string): readonly ConfigFault[] {
  const { expected, faultsOf: within } = settings[name]
  if (within !== undefined)
    return within(input).map(({ at, ...fault }) => ({ where: `${origin}${at}`, ...fault }))
  return [{ where: origin, expected, got: showValue(input), ...hintOf(input) }]
}

function hintOf(input: unknown): { readonly hint?: string } {
  return input === '' ? { hint: 'leave it unset for the default' } : {}
}

/**
 * Reads the text of a flag or variable to what a file would hold; unreadable text stays text, and
 * is a fault.
 */
export function parseSettingText(name: SettingName, text: string): unknown {
  switch (settings[name].kind) {
    case 'text':
    case 'object':
      return text
    case 'boolean':
    case 'automatic':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'integer':
    case 'size':
      return /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text
    case 'list':
      return text.trim() === '' ? [] : text.split(',').map((item) => item.trim())
  }
}
