import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** An empty project that has installed the packed package, as a stranger would. */
const project = mkdtempSync(join(tmpdir(), 'modelward-package-'))
const data = join(project, 'data')
let packed: readonly { readonly path: string }[] = []
let server: ChildProcess | undefined

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

const npx = (...args: readonly string[]) => run('npx', '--no-install', 'modelward', ...args)

beforeAll(() => {
  const report = execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', project], {
    encoding: 'utf8',
  })
  const [result] = Object.values(JSON.parse(report.slice(report.search(/^[[{]/m)))) as readonly {
    readonly filename: string
    readonly files: typeof packed
  }[]
  packed = result?.files ?? []
  writeFileSync(join(project, 'package.json'), '{"private":true}')
  run('npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', join(project, result?.filename ?? ''))
})

afterAll(async () => {
  if (server !== undefined && server.exitCode === null) {
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  rmSync(project, { recursive: true, force: true })
})

describe('the package', () => {
  test('holds what runs and what says how, and no source, test or corpus', () => {
    const paths = packed.map(({ path }) => path)
    expect(paths).toContain('dist/cli/main.js')
    expect(paths).toContain('dist/models/sentiment/weights.bin')
    expect(paths).toContain('LICENSE')
    expect(paths.filter((path) => !/^(dist\/|package\.json$|[A-Z]+(\.md)?$)/.test(path))).toEqual([])
    expect(paths.filter((path) => /\.test\.|\.jsonl/.test(path))).toEqual([])
  })

  test('passes publint in its strict mode', () => {
    expect(() =>
      execFileSync(resolve('node_modules/.bin/publint'), ['--strict'], { stdio: 'pipe' }),
    ).not.toThrow()
  })

  test('gives a command line that knows its version', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
    expect(npx('--version').trim()).toBe(version)
  })

  test('serves the model to a key made on the command line, and to nobody else', async () => {
    const { key } = JSON.parse(npx('keys', 'create', '--name', 'a', '--data', data, '--json')) as {
      readonly key: string
    }
    const main = join(project, 'node_modules/modelward/dist/cli/main.js')
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
