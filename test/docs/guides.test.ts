import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanEnvironment, cliFile, temporaryFolder } from '../e2e/run-cli.ts'
import { startOllama } from '../gateway/simulators/ollama.ts'
import type { Simulator } from '../gateway/simulators/simulator.ts'
import { createGuideModules, type GuideModules } from './guide-modules.ts'
import { createGuideProject, type GuideProject, type GuideServer } from './guide-project.ts'
import { isAsSaid, type PageRequest, readRequests } from './page-requests.ts'

const guides = [
  ...['fastify', 'hono', 'express', 'web', 'testing', 'openapi', 'limits', 'ledger'],
  'token-budgets',
  ...['jobs', 'webhooks', 'models', 'transformers', 'gateway'],
]
const modules = new Map<string, GuideModules>()
let project: GuideProject

beforeAll(async () => {
  project = createGuideProject()
  for (const guide of guides) {
    const made = createGuideModules(`docs/guides/${guide}.md`, readGuide(guide))
    modules.set(guide, made)
    await project.add(guide, made)
  }
})
afterAll(() => project[Symbol.dispose]())

function readGuide(guide: string): string {
  return readFileSync(new URL(`../../docs/guides/${guide}.md`, import.meta.url), 'utf8')
}

/** The flags of the server that a page starts; undefined if it starts no server. */
function serverFlagsOf(guide: string): readonly string[] | undefined {
  return /^npx modelward serve\b(.*)$/m.exec(readGuide(guide))?.[1]?.split(' ').filter(Boolean)
}

/** Where the Ollama of a page listens. */
const ollamaUrl = 'http://127.0.0.1:11434'

/** Sends a page's request to its server; a model server behind it may be one of this process. */
async function expectAsSaid(request: PageRequest, { address, keys }: GuideServer): Promise<void> {
  const command = request.command
    .replace('http://127.0.0.1:8000', address)
    .replace(/^curl /, "curl -s -w '\\n%{http_code}' ")
  const env = { ...process.env, ...keys }
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], { env })
  const [, body = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(stdout) ?? []
  expect({ ...request, status, isAsSaid: isAsSaid(request, status, body) }).toMatchObject({ isAsSaid: true })
}

function modulesOf(guide: string): GuideModules {
  const made = modules.get(guide)
  if (made === undefined) throw new Error(`no guide ${guide}`)
  return made
}

const isTest = (file: string): boolean => file.endsWith('.test.ts')

test('every snippet of every guide compiles, strictly', async () => {
  expect(await project.typeCheck()).toBe('')
})

describe.each(guides)('docs/guides/%s.md', (guide) => {
  let server: GuideServer | undefined
  let ollama: Simulator | undefined
  beforeAll(async () => {
    const flags = serverFlagsOf(guide)
    if (flags?.includes(ollamaUrl)) ollama = await startOllama()
    const own = flags?.map((flag) => (flag === ollamaUrl ? (ollama?.url ?? flag) : flag))
    if (own !== undefined) server = await project.serve(guide, own)
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await ollama?.close()
  })

  test('every snippet runs, and every result is the one that the page states', async () => {
    const { stated } = modulesOf(guide)
    // The stand-in for Bun and Deno is loaded only for pages that use them.
    const flags = readGuide(guide).includes('Bun.serve') ? ['--import', '../runtimes.ts'] : []
    expect(stated).toBeGreaterThan(0)
    const run = project.run(guide, 'page.ts', flags, server?.keys)
    expect(await run).toMatch(new RegExp(`^checked ${stated}$`, 'm'))
    for (const request of readRequests(readGuide(guide))) {
      if (server === undefined) throw new Error(`${guide}: no server for ${request.command}`)
      await expectAsSaid(request, server)
    }
  })

  test('its tests pass, and each of its other files is imported', async () => {
    const { files } = modulesOf(guide)
    const texts = [...files.values(), ...(serverFlagsOf(guide) ?? []).map((flag) => `'${flag}'`)].join('\n')
    for (const file of files.keys()) {
      if (isTest(file)) {
        const report = await project.run(guide, file, ['--test', '--test-reporter=tap'])
        expect(report).toMatch(/^# pass [1-9]/m)
        expect(report).toMatch(/^# fail 0$/m)
      } else if (file !== 'page.ts') expect(texts).toContain(`/${file.split('/').at(-1)}'`)
    }
  })

  test('its shell commands install known packages, and call the real command line', async () => {
    using folder = temporaryFolder()
    const { devDependencies, dependencies, peerDependencies } = JSON.parse(
      readFileSync('package.json', 'utf8'),
    ) as Record<'dependencies' | 'devDependencies' | 'peerDependencies', object>
    const known = [
      ...['modelward', '@modelward/server'],
      ...Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }),
    ]
    for (const [, packages = ''] of readGuide(guide).matchAll(/^npm install (?:--save-dev )?(.*)$/gm))
      expect(known).toEqual(expect.arrayContaining(packages.split(' ')))
    for (const [command] of readGuide(guide).matchAll(/^npx modelward (?!serve\b).*$/gm)) {
      const script = `npx() { shift; '${process.execPath}' '${cliFile}' "$@"; }\n${command}`
      const printed = execFileSync('/bin/sh', ['-c', script], {
        cwd: server?.folder ?? folder.path,
        env: cleanEnvironment(),
        encoding: 'utf8',
        stdio: 'pipe',
      })
      if (command.includes(' keys create ')) expect(printed).toMatch(/mw_live_/)
    }
  })

  test('is one page that can be read in one sitting', () => {
    expect(readGuide(guide).trimEnd().split('\n').length).toBeLessThanOrEqual(170)
  })
})

describe('a guide', () => {
  const page = (...lines: readonly string[]): GuideModules =>
    createGuideModules('page.md', ['# A page', '```ts', ...lines, '```', ''].join('\n'))

  test.each([
    ['states another result', ['const two = 1 + 1', 'two // → 3'], /page\.md:4 states another result/],
    ['leaves out a member, and does not say so', ['({ a: 1, b: 2 }) // → { a: 1 }'], /another result/],
    ['throws', ['const status: number = JSON.parse("{")', 'status // → 1'], /SyntaxError/],
  ])('that %s does not pass', async (_what, lines, message) => {
    using own = createGuideProject()
    await own.add('own', page(...lines))
    await expect(own.run('own', 'page.ts')).rejects.toThrow(message)
  })

  test('whose types are wrong does not pass, and the line of the page is named', async () => {
    using own = createGuideProject()
    await own.add('own', page('const status = 200', 'status // → 200', 'const text: string = status'))
    expect(await own.typeCheck()).toMatch(/^own\/page\.ts\(5,7\): error TS2322/m)
  })

  test('may redeclare a name in a later block, which sees the earlier ones', async () => {
    using own = createGuideProject()
    await own.add(
      'own',
      page(
        'const status = 200',
        'const text = "a"',
        '```',
        '```ts',
        'const status = 401',
        '[status, text] // → [401, "a"]',
      ),
    )
    expect(await own.run('own', 'page.ts')).toBe('checked 1\n')
  })

  test.each(['status // 401', '401 // → 401 // → 402', 'const { length } = "ab" // → 2', 'send( // → 1'])(
    'cannot state a result that is not checked: %s',
    async (line) => {
      using own = createGuideProject()
      const run = async (): Promise<string> => {
        await own.add('own', page('const status = 401', line))
        return own.run('own', 'page.ts')
      }
      await expect(run()).rejects.toThrow()
    },
  )

  test('cannot exempt a snippet from being run', () => {
    const exempt = ['# A page', '```ts no-run', 'nothing()', '```'].join('\n')
    expect(() => createGuideModules('page.md', exempt)).toThrow(/no such language/)
  })
})
