import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const bin = resolve('node_modules/.bin')

/** The edits that add the setting `greeting`, and use it where the server starts. */
const edits: Readonly<Record<string, readonly (readonly [after: string, added: string])[]>> = {
  'src/config/server-settings.ts': [
    ['export interface ServerSettings {\n', '  readonly greetings: number\n'],
    [
      'export const serverSettings: Settings<ServerSettings> = {\n',
      `  greetings: {
    schema: integer(1, 9),
    kind: 'integer',
    default: 2,
    placeholder: 'N',
    describes: 'How often the server greets.',
    expected: 'an integer from 1 to 9',
    empty: isFault,
  },
`,
    ],
  ],
  'src/server/create-app.ts': [
    [
      'export async function createApp(deps: AppDeps, options: ServerOptions): Promise<FastifyInstance> {\n',
      `  const greetings: number = options.greetings
  // @ts-expect-error: it is a number, and nothing else
  const wrong: string = options.greetings
  console.log(\`\${'hello '.repeat(greetings)}\${typeof wrong}\`)
`,
    ],
  ],
}

let copy: string

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'modelward-setting-'))
  for (const path of ['src', 'package.json', 'tsconfig.json'])
    cpSync(path, join(copy, path), { recursive: true })
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'))
  for (const [file, insertions] of Object.entries(edits)) {
    let text = readFileSync(join(copy, file), 'utf8')
    for (const [after, added] of insertions) {
      expect(text).toContain(after)
      text = text.replace(after, () => after + added)
    }
    writeFileSync(join(copy, file), text)
  }
})

afterAll(() => rmSync(copy, { recursive: true, force: true }))

test('is one entry and its use: two files', () => {
  expect(Object.keys(edits)).toHaveLength(2)
})

test('arrives typed where it is used', async () => {
  const compilerOptions = {
    noEmit: true,
    declaration: false,
    isolatedDeclarations: false,
    skipLibCheck: true,
  }
  const files = ['src/server/create-app.ts']
  const project = { extends: './tsconfig.json', compilerOptions, files, include: [] }
  writeFileSync(join(copy, 'tsconfig.setting.json'), JSON.stringify(project))
  await run(join(bin, 'tsc'), ['-p', 'tsconfig.setting.json'], { cwd: copy })
})

test('has its flag, its variable and its place in a file, checked and explained', async () => {
  const explain = async (flags: readonly string[], environment: Readonly<Record<string, string>>) => {
    const args = [join(copy, 'src/cli/main.ts'), 'config', 'explain', '--json', ...flags]
    const options = { cwd: copy, env: { ...process.env, ...environment } }
    const { stdout } = await run(process.execPath, args, options)
    const { settings } = JSON.parse(stdout) as { readonly settings: readonly { readonly name: string }[] }
    return settings.find(({ name }) => name === 'greetings')
  }
  expect(await explain([], {})).toMatchObject({ value: 2, origin: 'default', flag: '--greetings' })
  expect(await explain(['--greetings', '3'], {})).toMatchObject({ value: 3, origin: '--greetings' })
  const fromEnvironment = await explain([], { MODELWARD_GREETINGS: '4' })
  expect(fromEnvironment).toMatchObject({ value: 4, origin: 'MODELWARD_GREETINGS' })
  writeFileSync(join(copy, 'modelward.json'), '{"greetings":5}')
  expect(await explain([], {})).toMatchObject({ value: 5, origin: 'modelward.json: greetings' })
  await expect(explain(['--greetings', '10'], {})).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--greetings: expected an integer from 1 to 9, got 10'),
  })
})
