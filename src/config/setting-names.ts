import { type SettingName, settingNames } from './settings.ts'

/** `keyPrefix` is `MODELWARD_KEY_PREFIX` in the environment. */
export function environmentNameOf(setting: SettingName): string {
  return `MODELWARD_${setting.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** `keyPrefix` is `--key-prefix` on the command line. */
export function flagOf(setting: SettingName): string {
  return `--${setting.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Names the configuration file, as `--config` does. */
export const configFileVariable = 'MODELWARD_CONFIG'
/** Holds the peppers. There is no flag: a command line can be read by every user of the machine. */
export const pepperVariable = 'MODELWARD_PEPPER'
/** Names a file that holds the peppers. */
export const pepperFileVariable = 'MODELWARD_PEPPER_FILE'

/** Every environment name that means something, with the setting it sets where it sets one. */
export const environmentNames: ReadonlyMap<string, SettingName | undefined> = new Map([
  ...settingNames.map((name) => [environmentNameOf(name), name] as const),
  ...[configFileVariable, pepperVariable, pepperFileVariable].map((name) => [name, undefined] as const),
])
