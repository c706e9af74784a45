import type { Command } from 'commander'
import type { SettingFlags } from '../config/flag-layer.ts'
import { type SettingName, settingNames } from '../config/settings.ts'
import { settingOption } from './common-options.ts'

/** Adds a flag for every setting but `data`, which all commands have. */
export function addSettingOptions(command: Command): void {
  for (const name of settingNames) if (name !== 'data') command.addOption(settingOption(name))
}

/**
 * The settings among a command's options; Commander names `--key-prefix` as the setting is named.
 */
export function readSettingFlags(options: Readonly<Record<string, unknown>>): SettingFlags {
  const flags: { [Name in SettingName]?: readonly string[] } = {}
  for (const name of settingNames) {
    const texts = options[name] as readonly string[] | undefined
    if (texts !== undefined) flags[name] = texts
  }
  return flags
}
