import { defaultConfigFile } from './load-config.ts'
import { type SecretName, secretFlagOf, secretNames, secretSettings } from './secret-settings.ts'
import { configFileVariable, environmentNameOf, flagNames, flagOf } from './setting-names.ts'
import { settingNames, settings } from './settings.ts'

/** `docs/reference/config.md`, from the settings themselves. */
export function formatConfigPage(): string {
  return `${intro}\n${settingNames.map(formatSetting).join('\n')}\n${secretsIntro}\n${secretNames.map(formatSecret).join('\n')}`
}

function formatSetting(name: (typeof settingNames)[number]): string {
  const { kind, describes, expected, empty, default: initial } = settings[name]
  const hasFlag = flagNames.includes(name)
  return `## \`${name}\`

${describes}

| | |
|---|---|
| flag | ${hasFlag ? `\`${flagOf(name)}\`` : 'none: it stands in the file alone'} |
| environment | ${hasFlag ? `\`${environmentNameOf(name)}\`` : 'none'} |
| in the file | ${fileTypes[kind]} |
| expected | ${expected} |
| default | \`${JSON.stringify(initial)}\` |
| empty | ${empty} |
`
}

const fileTypes = {
  text: 'a string',
  integer: 'a number',
  boolean: '`true` or `false`',
  automatic: '`true`, `false` or `"auto"`',
  size: 'a string with a unit, or a number of bytes',
  list: 'an array of strings',
  object: 'an object',
}

const intro = `# Configuration

<!-- Generated from the settings in src/config; \`npx vitest run src/config -u\` writes it again. -->

A setting comes from the first of these that gives it: a flag, an environment variable, the configuration file, its default.
\`modelward config explain\` shows every setting, its value and where it came from.

- **The file** is one JSON object. It is named with \`--config FILE\` or \`${configFileVariable}\`; otherwise
  \`${defaultConfigFile}\` in the working folder is read where there is one.
- **Lists** are separated by commas in flags and variables, and a list's flag may be repeated. Any other flag may be there once.
- **Durations** are written \`500ms\`, \`90s\`, \`15min\`, \`24h\`, \`30d\`; **sizes** \`64KiB\`, \`1MiB\` or bytes.
- **Nothing is corrected in silence.** A value that is wrong, an unknown key in the file, a variable that begins with \`MODELWARD_\`
  and means nothing, a flag given twice: each is a fault, also where a stronger source overrules it. All faults are
  reported at once, nothing starts, and the exit code is 2.
- **Empty is not unset.** An empty value is a fault, except for the lists that may be empty.
`

const secretsIntro = `# Secrets

Modelward never prints these, nor a path in a variable that ends with \`_FILE\`, where the secret itself may stand by mistake. None
is accepted in the configuration file. A secret comes from its flag, where it has one, or from its variable.
`

function formatSecret(name: SecretName): string {
  const { variable, hasFlag, describes, expected, absent, empty } = secretSettings[name]
  const flag = hasFlag
    ? `\`${secretFlagOf(name)}\`; every user of the machine can read command lines, so prefer the variable`
    : 'none: every user of the machine can read command lines'
  return `## \`${name}\`

${describes}

| | |
|---|---|
| flag | ${flag} |
| environment | \`${variable}\`, or \`${variable}_FILE\` with the path of a file; both at once are a fault |
| in the file | not accepted |
| expected | ${expected} |
| default | ${absent} |
| empty | ${empty} |
`
}
