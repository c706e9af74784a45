import { secretSettings } from './secret-settings.ts'
import { type SettingName, settingNames, settings } from './settings.ts'

/** The settings that a flag and a variable can give; the others stand in the file alone. */
export const flagNames: readonly SettingName[] = settingNames.filter(
  (name) => settings[name].kind !== 'object',
)

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
/** Of each secret: the variable that holds it, and the one that names a file. */
const secretVariables = Object.values(secretSettings).flatMap(({ variable }) => [
  variable,
  `${variable}_FILE`,
])

/** Every environment name that means something, with the setting it sets where it sets one. */
export const environmentNames: ReadonlyMap<string, SettingName | undefined> = new Map([
  ...flagNames.map((name) => [environmentNameOf(name), name] as const),
  ...[configFileVariable, ...secretVariables].map((name) => [name, undefined] as const),
])
