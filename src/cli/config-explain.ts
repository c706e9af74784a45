import type { Command } from 'commander'
import type { LoadedConfig } from '../config/load-config.ts'
import { type SecretName, secretFlagOf, secretNames, secretSettings } from '../config/secret-settings.ts'
import { environmentNameOf, flagNames, flagOf } from '../config/setting-names.ts'
import { settingNames, settings } from '../config/settings.ts'
import { addCommonOptions, type CommonOptions, loadCommandConfig } from './common-options.ts'
import { addExamples } from './keys/key-options.ts'
import { addSettingOptions, readSettingFlags } from './setting-options.ts'
import { print, printJson } from './terminal/output.ts'
import { formatTable } from './terminal/table.ts'
import { terminalWidth } from './terminal/terminal.ts'

/** One setting as it is explained. */
interface Explained {
  readonly name: string
  readonly value: unknown
  readonly origin: string
  readonly flag: string | null
  readonly environment: string | null
  readonly default: unknown
  readonly empty: string
  readonly describes: string
}

export function defineConfigExplain(command: Command): void {
  command.action(async (options: CommonOptions & Readonly<Record<string, unknown>>) => {
    const loaded = loadCommandConfig(options, readSettingFlags(options))
    const explained = explain(loaded)
    if (options.json === true) {
      await printJson({ config_file: loaded.configFile ?? null, settings: explained })
      return
    }
    await print(`Configuration file: ${loaded.configFile ?? 'none'}\n\n`)
    await print(formatTable(explained, columns, terminalWidth()))
  })
  addCommonOptions(command)
  addSettingOptions(command)
  addExamples(command, 'config explain', 'config explain --port 9000 --json')
}

const columns = [
  { title: 'SETTING', cell: ({ name }: Explained) => name },
  { title: 'VALUE', cell: ({ value }: Explained) => show(value), mayCut: true },
  { title: 'FROM', cell: ({ origin }: Explained) => origin, mayCut: true },
  { title: 'EMPTY MEANS', cell: ({ empty }: Explained) => empty, mayCut: true },
]

function show(value: unknown): string {
  if (Array.isArray(value)) return value.join(',') || 'none'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function explain(loaded: LoadedConfig): readonly Explained[] {
  const explained = settingNames.map((name) => ({
    name,
    value: loaded.inputs[name],
    origin: loaded.origins[name],
    flag: flagNames.includes(name) ? flagOf(name) : null,
    environment: flagNames.includes(name) ? environmentNameOf(name) : null,
    default: settings[name].default,
    empty: settings[name].empty,
    describes: settings[name].describes,
  }))
  return [...explained, ...secretNames.map((name) => explainSecret(name, loaded))]
}

function explainSecret(name: SecretName, { secretOrigins }: LoadedConfig): Explained {
  const { variable, hasFlag, describes, absent, empty } = secretSettings[name]
  const origin = secretOrigins[name]
  return {
    name,
    value: origin === undefined ? absent : '(secret)',
    origin: origin ?? 'default',
    flag: hasFlag ? secretFlagOf(name) : null,
    environment: variable,
    default: absent,
    empty,
    describes,
  }
}
