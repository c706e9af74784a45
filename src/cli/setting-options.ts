import type { Command } from 'commander'
import type { SettingFlags } from '../config/flag-layer.ts'
import { flagNames } from '../config/setting-names.ts'
import type { SettingName } from '../config/settings.ts'
import { settingOption } from './common-options.ts'

/** Adds the flag of every setting that has one but `data`, which all commands have. */
export function addSettingOptions(command: Command): void {
  for (const name of flagNames) if (name !== 'data') command.addOption(settingOption(name))
}

/**
 * The settings among a command's options; Commander names `--key-prefix` as the setting is named.
 */
export function readSettingFlags(options: Readonly<Record<string, unknown>>): SettingFlags {
  const flags: { [Name in SettingName]?: readonly string[] } = {}
  for (const name of flagNames) {
    const texts = options[name] as readonly string[] | undefined
    if (texts !== undefined) flags[name] = texts
  }
  return flags
}
