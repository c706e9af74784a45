import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { commandIndex } from '../../src/cli/command-index.ts'
import { secretFlagOf, secretNames } from '../../src/config/secret-settings.ts'
import { environmentNames, flagOf } from '../../src/config/setting-names.ts'
import { settingNames } from '../../src/config/settings.ts'

const files = [
  ...['Dockerfile', 'compose.yaml', 'docs/guides/containers.md'],
  ...globSync('deploy/**/*', { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`),
]

/** The reference of the command line, which is written from its commands. */
const commands = readFileSync('docs/reference/cli.md', 'utf8')

test('there are files to read', () => {
  expect(files.length).toBeGreaterThan(12)
})

test.each(files)('%s names only variables that there are', (file) => {
  const named = readFileSync(file, 'utf8').match(/\bMODELWARD_\w+/g) ?? []
  expect(named.filter((name) => !environmentNames.has(name))).toEqual([])
})

test.each(files)('%s names only commands and flags that there are', (file) => {
  const flags = new Set<string>([...settingNames.map(flagOf), ...secretNames.map(secretFlagOf)])
  const text = readFileSync(file, 'utf8')
  // What a comment or a sentence says of a setting.
  const mentioned = [...text.matchAll(/(?:\bwith |\braise |`)(--[a-z-]+)/g)].map(([, flag = '']) => flag)
  expect(mentioned.filter((flag) => !flags.has(flag) && !commands.includes(`${flag} `))).toEqual([])
  // What a command runs.
  const run = [
    ...text.matchAll(/\bmodelward(?::[\w.]+)? ((?:[a-z]+ )*[a-z]+)((?: --[a-z-]+(?: [\w./:-]+)?)*)/g),
  ]
  const known = commandIndex.map(({ path }) => path)
  const commandLines = run.filter(([, words = '']) =>
    known.some((path) => path.split(' ')[0] === words.split(' ')[0]),
  )
  for (const [line, words = '', options = ''] of commandLines) {
    expect([line, known.some((path) => words === path || words.startsWith(`${path} `))]).toEqual([line, true])
    const [command = ''] = known.filter((path) => words === path || words.startsWith(`${path} `))
    const page = commands.slice(commands.indexOf(`## \`modelward ${command}\``))
    for (const [flag] of options.matchAll(/--[a-z-]+/g))
      expect([line, flag, page.includes(`  ${flag}`)]).toEqual([line, flag, true])
  }
})
