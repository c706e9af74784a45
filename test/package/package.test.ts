import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { proves } from '../ecosystem/support.ts'
import { createProject } from './create-project.ts'
import { installProject } from './install-project.ts'

const execute = promisify(execFile)
const tool = (name: string) => resolve('node_modules/.bin', name)

/** An empty project that has installed both packed packages, as a stranger would. */
const both = installProject({ withServer: true })
let server: ChildProcess | undefined

async function modelward(...args: readonly string[]): Promise<string> {
  const npx = ['--no-install', 'modelward', ...args]
  return (await execute('npx', npx, { cwd: both.folder })).stdout
}

afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
})

/** Both packages, where the project has them. */
const packages = [
  { name: 'modelward', pathsOf: () => both.packed.paths },
  { name: '@modelward/server', pathsOf: () => both.packed.server.paths },
] as const

const folderOf = (name: string) => join(both.folder, 'node_modules', name)

/** What the files of a package import, of a package or of a file, with the file that does. */
function importsOf(name: string, pattern: RegExp): readonly (readonly [file: string, imported: string])[] {
  const dist = join(folderOf(name), 'dist')
  return globSync('**/*.{js,d.ts}', { cwd: dist }).flatMap((file) =>
    [...readFileSync(join(dist, file), 'utf8').matchAll(pattern)].map(
      ([, imported = '']) => [file, imported] as const,
    ),
  )
}

describe.each(packages)('the package $name', ({ name, pathsOf }) => {
  test('holds what runs, what says how, and its sources, and no test or corpus', () => {
    const paths = pathsOf()
    expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md']))
    expect(paths.filter((path) => !/^((?:dist|src)\/|package\.json$|[A-Z]+(\.md)?$)/.test(path))).toEqual([])
    expect(paths.filter((path) => /\.test\.|\.jsonl|^dist\/.*(?<!\.d)\.ts$|\.js\.map$/.test(path))).toEqual(
      [],
    )
  })

  test('holds every file that its code and its declarations import', () => {
    const dist = join(folderOf(name), 'dist')
    const missing = importsOf(name, /(?:from |import |import\()'(\.[^']+)'/g)
      .map(([file, path]) => [file, join(dirname(file), path)] as const)
      .map(([file, path]) => [file, file.endsWith('.d.ts') ? path.replace(/\.js$/, '.d.ts') : path] as const)
      .filter(([, path]) => !existsSync(join(dist, path)))
    expect(missing).toEqual([])
  })

  test('declares each package that its code imports, and no other', () => {
    const {
      dependencies,
      peerDependencies = {},
      peerDependenciesMeta = {},
    } = JSON.parse(readFileSync(join(folderOf(name), 'package.json'), 'utf8')) as Readonly<
      Record<string, Readonly<Record<string, unknown>>>
    >
    const imported = importsOf(name, /^(?! *\*).*(?:from |import |import\()'([a-z@][^']*)'/gm)
      .map(([, path]) => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? '')
      .filter((path) => !isBuiltin(path))
    // Without an import of its own: files that are served, and what the library loads by name.
    const found = name === 'modelward' ? [] : ['@fastify/swagger-ui', 'pg', '@redis/client', 'prom-client']
    const declared = Object.keys({ ...dependencies, ...peerDependencies })
    expect([...new Set(imported)].filter((each) => !declared.includes(each))).toEqual([])
    const needless = Object.keys(dependencies ?? {}).filter((each) => ![...imported, ...found].includes(each))
    expect(needless).toEqual([])
    expect(Object.keys(peerDependenciesMeta).sort()).toEqual(Object.keys(peerDependencies).sort())
  })

  test('names no source where a thread or a module begins: only what is in the package', () => {
    const dist = join(folderOf(name), 'dist')
    const left = globSync('**/*.{js,d.ts}', { cwd: dist }).filter((file) =>
      readFileSync(join(dist, file), 'utf8')
        .split('\n')
        .some((line) => !/^ *(?:\*|\/\/)/.test(line) && /'\.{1,2}\/[^']*\.ts'/.test(line)),
    )
    expect(left).toEqual([])
  })

  test('passes publint in its strict mode', async () => {
    const { tarball } = name === 'modelward' ? both.packed : both.packed.server
    await execute(tool('publint'), ['run', '--strict', tarball])
  })
})

/** What attw looks through, each for every entry point. */
const resolutions = [
  proves('Types under `node10`'),
  proves('Types under `node16` and `nodenext`'),
  proves('Types under `bundler`'),
].join(', ')

describe('the library', () => {
  test('installs as two packages of 6 MB together', async () => {
    const alone = await createProject({ modelward: `file:${both.packed.tarball}` })
    try {
      const modules = join(alone.folder, 'node_modules')
      const { packages: installed } = JSON.parse(
        readFileSync(join(modules, '.package-lock.json'), 'utf8'),
      ) as { readonly packages: object }
      expect(Object.keys(installed)).toEqual(['node_modules/fastify-plugin', 'node_modules/modelward'])
      const files = globSync('**/*', { cwd: modules, withFileTypes: true }).filter((file) => file.isFile())
      const bytes = files.map(({ parentPath, name }) => statSync(join(parentPath, name)).size)
      expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(6e6)
    } finally {
      await alone.remove()
    }
  })

  test('has the programs of its threads where its code looks for them', () => {
    const dist = join(folderOf('modelward'), 'dist')
    const programs = importsOf('modelward', /new URL\('(\.[^']+\.js)', import/g).map(([file, program]) =>
      join(dirname(file), program),
    )
    expect(programs.map((program) => basename(program)).sort()).toEqual([
      'job-thread.js',
      'ledger-thread.js',
      'model-process.js',
      'model-thread.js',
      'process-watch.js',
    ])
    expect(programs.filter((program) => !existsSync(join(dist, program)))).toEqual([])
  })

  test('takes `Worker` from where webpack looks for it, in every module that starts a thread', () => {
    const dist = join(folderOf('modelward'), 'dist')
    const starting = globSync('**/*.js', { cwd: dist })
      .map((file) => readFileSync(join(dist, file), 'utf8'))
      .filter((text) => text.includes('new Worker(new URL('))
    expect(starting.length).toBeGreaterThan(3)
    for (const text of starting) expect(text).toMatch(/^import \{ Worker \} from 'worker_threads';$/m)
  })

  test('has a map from each declaration to its source, which is there', () => {
    const dist = join(folderOf('modelward'), 'dist')
    const declarations = globSync('**/*.d.ts', { cwd: dist })
    expect(declarations.length).toBeGreaterThan(50)
    for (const file of declarations) {
      const map = JSON.parse(readFileSync(join(dist, `${file}.map`), 'utf8')) as {
        readonly sources: readonly [string]
      }
      const source = join(dist, dirname(file), map.sources[0])
      expect([file, existsSync(source), basename(source)]).toEqual([
        file,
        true,
        basename(file).replace('.d.ts', '.ts'),
      ])
    }
  })

  test(`has the right types for every entry point, as attw sees it: ${resolutions}`, async () => {
    // There is no CommonJS build on purpose: on every supported Node, `require` loads the same
    // modules, and an app never holds two copies of them.
    await execute(tool('attw'), [both.packed.tarball, '--ignore-rules', 'cjs-resolves-to-esm', '--no-color'])
  })
})

describe('the command line', () => {
  test('serves the model to a key made on the command line, and refuses all others', async () => {
    const data = join(both.folder, 'data')
    const created = await modelward('keys', 'create', '--name', 'a', '--data', data, '--json')
    const { key } = JSON.parse(created) as { readonly key: string }
    const main = join(both.folder, 'node_modules/@modelward/server/dist/cli/main.js')
    server = spawn(process.execPath, [main, 'serve', '--data', data, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let address: string | undefined
    for await (const line of createInterface({ input: server.stdout as NonNullable<typeof server.stdout> })) {
      address = /http:\/\/[\w.:]+/.exec(line)?.[0]
      if (address !== undefined) break
    }
    const predict = (headers: Readonly<Record<string, string>>) =>
      fetch(`${address}/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"text":"I love this great product"}',
      })
    expect((await predict({})).status).toBe(401)
    const answer = await predict({ 'x-api-key': key })
    expect(await answer.json()).toMatchObject({ sentiment: 'positive' })
    server.kill('SIGTERM')
    expect(await once(server, 'exit')).toEqual([0, null])
  })
})
