import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startOllama } from '../gateway/simulators/ollama.ts'
import { installProject } from './install-project.ts'

/** A project that has installed both packages. */
const both = installProject({ withServer: true })
let scratch: string
let version: string

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'modelward-command-'))
  version = JSON.parse(await readFile('package.json', 'utf8')).version
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const library = 'node_modules/modelward'
const server = 'node_modules/@modelward/server'

/** Another project, with copies of the installed packages at these paths. */
async function createCopy(
  name: string,
  packages: Readonly<Record<string, string>>,
): Promise<(path: string) => string> {
  const folder = join(scratch, name)
  for (const [path, installed] of Object.entries(packages))
    await cp(join(both.folder, installed), join(folder, path), { recursive: true })
  return (path) => join(folder, path)
}

function run(cwd: string, program: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

const modelward = (cwd: string, ...args: readonly string[]) =>
  run(cwd, process.execPath, join(library, 'dist/bin/modelward.js'), ...args)

describe('the command that the library brings', () => {
  test('says in one sentence what to install, where there is no command line', async () => {
    const at = await createCopy('alone', { [library]: library })
    expect(await modelward(at('.'), 'keys', 'list')).toEqual({
      code: 2,
      stdout: '',
      stderr: `modelward: the command line is in the package @modelward/server, which is not installed: npm install --save-dev @modelward/server@${version}\n`,
    })
  })

  test('runs the one of the project', async () => {
    expect(await modelward(both.folder, '--version')).toEqual({
      code: 0,
      stdout: `${version}\n`,
      stderr: '',
    })
    expect(await modelward(both.folder, 'keys', 'creat')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('create'),
    })
  })

  test('finds it where a package manager keeps what is not declared apart', async () => {
    const store = 'node_modules/.pnpm/modelward/node_modules/modelward'
    const serverStore = 'node_modules/.pnpm/server/node_modules/@modelward/server'
    const at = await createCopy('apart', { [store]: library, [serverStore]: server })
    await cp(join(both.folder, 'node_modules'), at(dirname(dirname(serverStore))), {
      recursive: true,
      filter: (path) => !path.includes('@modelward'),
    })
    await symlink(at(store), at(library))
    await mkdir(dirname(at(server)))
    await symlink(at(serverStore), at(server))
    expect(await modelward(at('.'), '--version')).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  test('refuses one of another version, and names both', async () => {
    const at = await createCopy('other', { [library]: library, [server]: server })
    const manifest = join(at(server), 'package.json')
    const other = JSON.parse(await readFile(manifest, 'utf8'))
    await writeFile(manifest, JSON.stringify({ ...other, version: '9.9.9' }))
    const ended = await modelward(at('.'), 'keys', 'list')
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(
      /^modelward: @modelward\/server 9\.9\.9 is installed beside modelward \S+: npm .*\n$/,
    )
  })
})

describe('npx', () => {
  test('finds the library’s program, which compares the versions, by the name modelward', async () => {
    const linked = await realpath(join(both.folder, 'node_modules/.bin/modelward'))
    expect(linked).toBe(await realpath(join(both.folder, library, 'dist/bin/modelward.js')))
  })

  test.each(['modelward', 'modelward-server', '@modelward/server'])('%s is one program', async (name) => {
    expect(await run(both.folder, 'npx', '--no-install', name, '--version')).toMatchObject({
      code: 0,
      stdout: `${version}\n`,
    })
  })

  /** A server of the project, and what it is asked with: a key of its own. */
  async function serve(...flags: readonly string[]) {
    const child = spawn('npx', ['--no-install', '@modelward/server', 'serve', '--port', '0', ...flags], {
      cwd: both.folder,
      stdio: ['ignore', 'pipe', 'ignore'],
      // A process group of its own: npx passes no signal on everywhere.
      detached: true,
    })
    const closed = once(child, 'close')
    let address = ''
    for await (const line of createInterface({ input: child.stdout })) {
      address = /http:\/\/[\w.:]+/.exec(line)?.[0] ?? ''
      if (address !== '') break
    }
    return {
      address,
      async createKey(...more: readonly string[]) {
        const create = ['--no-install', 'modelward', 'keys', 'create', '--name', 'a', ...more]
        return (await run(both.folder, 'npx', ...create)).stdout.trim()
      },
      async [Symbol.asyncDispose]() {
        process.kill(-Number(child.pid), 'SIGTERM')
        await closed
      },
    }
  }

  test('@modelward/server serve, in a folder that is empty, answers the request of the README', async () => {
    await using served = await serve()
    const [curl = ''] = /^curl .*$/m.exec(await readFile('README.md', 'utf8')) ?? []
    const line = curl.replace('http://127.0.0.1:8000', served.address)
    const env = `export KEY=${await served.createKey()}`
    const { stdout } = await run(both.folder, '/bin/sh', '-c', `${env}\n${line}`)
    expect(JSON.parse(stdout)).toMatchObject({ sentiment: 'positive' })
  })

  test('@modelward/server serve before a model server passes answers on, whole and streamed, with the newest packages that its ranges allow', async () => {
    await using ollama = await startOllama()
    const data = ['--data', 'before-a-model-server']
    await using served = await serve('--upstream', ollama.url, '--preset', 'ollama', ...data)
    const headers = {
      authorization: `Bearer ${await served.createKey(...data)}`,
      'content-type': 'application/json',
    }
    for (const [stream, last] of [
      [false, '}'],
      [true, 'data: [DONE]'],
    ] as const) {
      const body = JSON.stringify({
        model: 'llama3.2:3b',
        stream,
        messages: [{ role: 'user', content: 'why' }],
      })
      const answer = await fetch(`${served.address}/v1/chat/completions`, { method: 'POST', headers, body })
      const text = await answer.text()
      expect([answer.status, text.trimEnd().endsWith(last)], text).toEqual([200, true])
    }
  })
})
