import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProject, type Project } from './create-project.ts'
import { type Packed, packPackage } from './pack-package.ts'

const execute = promisify(execFile)
const tool = (name: string) => resolve('node_modules/.bin', name)

let packed: Packed
/** An empty project that has installed the packed package, as a stranger would. */
let project: Project
let server: ChildProcess | undefined

async function modelward(...args: readonly string[]): Promise<string> {
  const npx = ['--no-install', 'modelward', ...args]
  return (await execute('npx', npx, { cwd: project.folder })).stdout
}

beforeAll(async () => {
  packed = await packPackage()
  project = await createProject({ modelward: `file:${packed.tarball}` })
})

afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  await packed?.remove()
  await project?.remove()
})

describe('the package', () => {
  test('holds what runs and what says how, and no source, test or corpus', () => {
    const { paths } = packed
    expect(paths).toContain('dist/cli/main.js')
    expect(paths).toContain('dist/models/sentiment/weights.bin')
    expect(paths).toContain('LICENSE')
    expect(paths.filter((path) => !/^(dist\/|package\.json$|[A-Z]+(\.md)?$)/.test(path))).toEqual([])
    expect(paths.filter((path) => /\.test\.|\.jsonl|(?<!\.d)\.ts$|\.d\.ts\.map$/.test(path))).toEqual([])
  })

  test('holds every file that its code and its declarations import', () => {
    const dist = join(project.folder, 'node_modules/modelward/dist')
    const missing = globSync('**/*.{js,d.ts}', { cwd: dist }).flatMap((file) =>
      [...readFileSync(join(dist, file), 'utf8').matchAll(/(?:from |import |import\()'(\.[^']+)'/g)]
        .map(([, path = '']) => join(dirname(file), path))
        .map((path) => (file.endsWith('.d.ts') ? path.replace(/\.js$/, '.d.ts') : path))
        .filter((path) => !existsSync(join(dist, path)))
        .map((path) => `${file}: ${path}`),
    )
    expect(missing).toEqual([])
  })

  test('names no source where a thread or a module begins: only what is in the package', () => {
    const dist = join(project.folder, 'node_modules/modelward/dist')
    const files = globSync('**/*.{js,d.ts}', { cwd: dist })
    const left = files.filter((file) =>
      readFileSync(join(dist, file), 'utf8')
        .split('\n')
        .some((line) => !/^ *(?:\*|\/\/)/.test(line) && /'\.{1,2}\/[^']*\.ts'/.test(line)),
    )
    expect(left).toEqual([])
    const programs = files.flatMap((file) =>
      [...readFileSync(join(dist, file), 'utf8').matchAll(/new URL\('(\.[^']+\.js)', import/g)].map(
        ([, program = '']) => join(dirname(file), program),
      ),
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

  test('carries its sources inside its source maps, for nothing else could be found there', () => {
    const dist = join(project.folder, 'node_modules/modelward/dist')
    const maps = globSync('**/*.map', { cwd: dist }).map((file) => readFileSync(join(dist, file), 'utf8'))
    expect(maps.length).toBeGreaterThan(0)
    for (const map of maps) expect(JSON.parse(map)).toMatchObject({ sourcesContent: [expect.any(String)] })
  })

  test('passes publint in its strict mode', async () => {
    await execute(tool('publint'), ['run', '--strict', packed.tarball])
  })

  test('has the right types for every entry point, as attw sees it', async () => {
    // There is no CommonJS build on purpose: on every supported Node, `require` loads the same
    // modules, and an app never holds two copies of them.
    await execute(tool('attw'), [packed.tarball, '--ignore-rules', 'cjs-resolves-to-esm', '--no-color'])
  })

  test('gives a command line that knows its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
    expect((await modelward('--version')).trim()).toBe(version)
  })

  test('serves the model to a key made on the command line, and refuses all others', async () => {
    const data = join(project.folder, 'data')
    const created = await modelward('keys', 'create', '--name', 'a', '--data', data, '--json')
    const { key } = JSON.parse(created) as { readonly key: string }
    const main = join(project.folder, 'node_modules/modelward/dist/cli/main.js')
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
