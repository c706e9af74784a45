import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Packed, packPackage } from '../package/pack-package.ts'
import { lookForProgram } from '../support/services.ts'
import { createGuideProject } from './guide-project.ts'
import { filesOf, readSteps, type Step } from './reader/pasted-page.ts'
import { followPage } from './reader/reader.ts'

const python = await lookForProgram('python')

/** The pages that a newcomer follows first, and where each begins. */
const pages = [
  { page: 'README.md', inClone: true },
  { page: 'docs/guides/from-fastapi.md', inClone: false },
  { page: 'docs/guides/onnx.md', inClone: false },
  { page: 'docs/guides/python.md', inClone: false },
] as const

let folder: string
let packed: Packed | undefined
/** A clone that is built, which takes the place of the package from the registry. */
let clone: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-linked-'))
  packed = await packPackage()
  ;({ clone } = packed)
  // They find each other as in a project that has installed both.
  const modules = join(clone, 'dist/node_modules')
  mkdirSync(join(modules, '@modelward'), { recursive: true })
  symlinkSync(join(clone, 'dist/modelward'), join(modules, 'modelward'))
  symlinkSync(join(clone, 'dist/server'), join(modules, '@modelward/server'))
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await packed?.remove()
})

/** Longest that a page may take: it starts servers, and makes a clone's first build. */
const pageMs = 180_000

function stepsOf(page: string): readonly Step[] {
  return readSteps(page, readFileSync(page, 'utf8'))
}

describe.each(pages)('$page', ({ page, inClone }) => {
  test.skipIf(page.endsWith('python.md') && python === undefined)(
    'works as it stands, pasted from its first line to its last',
    async () => {
      const steps = stepsOf(page)
      expect(steps.some(({ kind }) => kind === 'serve')).toBe(true)
      await followPage(steps, inClone, { clone, python })
    },
    pageMs,
  )
})

test('the TypeScript of these pages compiles, strictly', async () => {
  using project = createGuideProject()
  for (const { page } of pages) {
    const files = [...filesOf(stepsOf(page))].filter(([file]) => file.endsWith('.ts'))
    await project.add(page.replaceAll(/\W/g, '-'), { files: new Map(files), stated: 0 })
  }
  expect(await project.typeCheck()).toBe('')
})

test('the README gives no command twice', () => {
  const commands = stepsOf('README.md').flatMap((step) =>
    step.kind === 'save' ? [] : step.commands.trimEnd().split('\n'),
  )
  const ofModelward = commands.flatMap(
    (command) => /\bnpx modelward ([a-z]+(?: [a-z]+)?)/.exec(command)?.slice(1) ?? [],
  )
  for (const all of [commands, ofModelward]) expect(all).toEqual([...new Set(all)])
})

describe('a page that a reader follows', () => {
  const page = (...lines: readonly string[]): Promise<void> =>
    followPage(readSteps('page.md', lines.join('\n')), false, { clone, python: undefined })
  const sh = (...lines: readonly string[]): readonly string[] => ['```sh', ...lines, '```']
  const text = (...lines: readonly string[]): readonly string[] => ['```text', ...lines, '```']

  test('is not followed where a command fails, and the place is named', async () => {
    await expect(page(...sh('true', 'false'))).rejects.toThrow(/^page\.md:1: a command failed/)
    await expect(page(...sh('false | true'))).rejects.toThrow(/a command failed/)
    await expect(page(...sh('npm install no-such-package'))).rejects.toThrow(/no-such-package/)
  })

  test('is not followed where a command reads what no command before has set', async () => {
    await expect(page(...sh('echo "$UNKNOWN"'))).rejects.toThrow(/UNKNOWN: unbound variable/)
    await page(...sh('export KNOWN=a'), ...sh('echo "$KNOWN"'), ...text('a'))
  })

  test('is not followed where commands print something else than it says', async () => {
    await expect(page(...sh('echo a'), ...text('b'))).rejects.toThrow(/page\.md:1: expected .*\nb\ngot\na/)
    await page(...sh('echo 0; echo "{a.b}"'), ...text('{…b}'))
  })

  test('is not followed where a listing does not run', async () => {
    const listing = ['```ts', '// app.ts', 'console.log(missing)', '```']
    await expect(page(...listing, ...sh('node app.ts'))).rejects.toThrow(
      /^page\.md:5: the server ended before it listened[\s\S]*missing is not defined/,
    )
  })

  test.fails('can take no longer than its test', { timeout: 3_000 }, async () => {
    const listing = ['```ts', '// app.ts', 'setInterval(() => {}, 1_000)', '```']
    await page(...listing, ...sh(`echo $$ > '${join(folder, 'pid')}'`, 'node app.ts'))
  })

  test('has left no process behind then', () => {
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  test('has one file of the listings that continue each other', async () => {
    const steps = readSteps(
      'page.md',
      ['```ts', '// a.ts', 'const a = 1', '```', '```ts', 'a + 1', '```'].join('\n'),
    )
    expect(Object.fromEntries(filesOf(steps))).toEqual({ 'a.ts': '// a.ts\nconst a = 1\na + 1\n' })
  })

  test.each([
    ['output without commands', text('a')],
    ['a listing without a file', ['```ts', '1 + 1', '```']],
    ['a block of another language', ['```js', '1 + 1', '```']],
  ])('cannot have %s', (_what, lines) => {
    expect(() => readSteps('page.md', lines.join('\n'))).toThrow(/^page\.md:1: no /)
  })
})
