import { type Command, Option } from 'commander'
import type { SettingFlags } from '../config/flag-layer.ts'
import { type LoadedConfig, loadConfig } from '../config/load-config.ts'
import {
  type DeploymentSecrets,
  type SecretName,
  secretFlagOf,
  secretSettings,
} from '../config/secret-settings.ts'
import { flagOf } from '../config/setting-names.ts'
import { type DeploymentOptions, type SettingName, settings } from '../config/settings.ts'

/**
 * What every command takes. All texts of a flag, in order: a flag given twice is a fault, which the
 * last one must not hide.
 */
export interface CommonOptions {
  readonly json?: true
  readonly data?: readonly string[]
  readonly config?: readonly string[]
  readonly databaseUrl?: readonly string[]
  readonly redisUrl?: readonly string[]
}

/** Adds `--data`, `--database-url`, `--redis-url`, `--config` and `--json`. */
export function addCommonOptions(command: Command): Command {
  return command
    .addOption(settingOption('data'))
    .addOption(secretOption('databaseUrl'))
    .addOption(secretOption('redisUrl'))
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

function secretOption(name: SecretName): Option {
  const { describes } = secretSettings[name]
  return new Option(`${secretFlagOf(name)} <url>`, describes).argParser(collect)
}

/** The texts of an option that may be there several times. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text]
}

/** Where a deployment is, with the secrets that open it. */
export function placeOf({ config, secrets }: LoadedConfig): DeploymentOptions & DeploymentSecrets {
  return { ...config, ...secrets }
}

/** Reads the configuration for a command, with the settings that its flags give. */
export function loadCommandConfig(options: CommonOptions, flags: SettingFlags = {}): LoadedConfig {
  // Every user of the machine can read a command line, and a URL holds a password.
  if (options.databaseUrl !== undefined || options.redisUrl !== undefined) process.title = 'modelward'
  return loadConfig({
    flags: { ...flags, ...(options.data === undefined ? {} : { data: options.data }) },
    secretFlags: { databaseUrl: options.databaseUrl, redisUrl: options.redisUrl },
    configFlag: options.config,
    environment: process.env,
    workingFolder: process.cwd(),
  })
}
