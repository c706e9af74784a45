import { type Command, Option } from 'commander'
import type { SettingFlags } from '../config/flag-layer.ts'
import { type LoadedConfig, loadConfig } from '../config/load-config.ts'
import { flagOf } from '../config/setting-names.ts'
import { type SettingName, settings } from '../config/settings.ts'

/**
 * What every command takes. All texts of a flag, in order: a flag given twice is a fault, which the
 * last one must not hide.
 */
export interface CommonOptions {
  readonly json?: true
  readonly data?: readonly string[]
  readonly config?: readonly string[]
}

/** Adds `--data`, `--config` and `--json`. */
export function addCommonOptions(command: Command): Command {
  return command
    .addOption(settingOption('data'))
    .addOption(
      new Option(
        '--config <file>',
        'Configuration file (default: modelward.json, where there is one)',
      ).argParser(collect),
    )
    .option('--json', 'Print JSON, errors too')
}

/** A setting's flag. */
export function settingOption(name: SettingName): Option {
  const { describes, placeholder, default: initial } = settings[name]
  const shown = Array.isArray(initial) ? initial.join(',') || 'none' : String(initial)
  return new Option(
    `${flagOf(name)} <${placeholder.toLowerCase()}>`,
    `${describes} (default: ${shown})`,
  ).argParser(collect)
}

/** The texts of an option that may be there several times. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text]
}

/** Reads the configuration for a command, with the settings that its flags give. */
export function loadCommandConfig(options: CommonOptions, flags: SettingFlags = {}): LoadedConfig {
  return loadConfig({
    flags: { ...flags, ...(options.data === undefined ? {} : { data: options.data }) },
    configFlag: options.config,
    environment: process.env,
    workingFolder: process.cwd(),
  })
}
