import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readyStatus } from '../e2e/ask-node.ts'
import { openTestFleet } from '../e2e/open-fleet.ts'
import { cleanEnvironment } from '../e2e/run-cli.ts'
import { type Packed, type PackedPackage, packBuilt, packPackage } from '../package/pack-package.ts'
import { findFreePort } from '../support/services.ts'
import { containerOf, manifestOf } from './deployed-files.ts'
import {
  commandOf,
  execFormOf,
  instructionsOf,
  lastOf,
  readAdmitted,
  readImageEnvironment,
  stageOf,
  wordsOf,
} from './dockerfile.ts'

const execute = promisify(execFile)

/** In the place of the image's root: it has `app` and `data`. */
let root: string
let packed: Packed
const app = () => join(root, 'app')

/** The image's user, where the tests may become another. */
const user = process.getuid?.() === 0 ? { uid: 10_001, gid: 10_001 } : {}
/** Makes the server the first process of its own, as a container does. */
const first = ['unshare', '--pid', '--fork']
const canBeFirst = spawnSync('unshare', [...first.slice(1), 'true']).status === 0

/** What the stage `build` makes. */
const built: Readonly<Record<string, () => PackedPackage>> = {
  '/source/dist/modelward': () => packed,
  '/source/dist/server': () => packed.server,
}

/** Follows the stage `install`, line by line. */
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'modelward-image-'))
  chmodSync(root, 0o755)
  packed = await packPackage()
  mkdirSync(app())
  mkdirSync(join(root, 'data'), { mode: 0o700 })
  if (user.uid !== undefined) await execute('chown', ['10001:10001', join(root, 'data')])
  for (const instruction of stageOf('install').instructions) {
    const words = wordsOf(instruction)
    if (instruction.getKeyword() === 'WORKDIR') expect(words).toEqual(['/app'])
    else if (instruction.getKeyword() === 'COPY') {
      const target = join(app(), words.at(-1) ?? '')
      const tarball = built[words[0] ?? '']?.().tarball
      if (tarball === undefined)
        for (const source of words.slice(0, -1)) copyFileSync(source, join(target, source))
      else {
        mkdirSync(target, { recursive: true })
        await execute('tar', ['-xzf', tarball, '--strip-components=1', '-C', target])
      }
    } else if (instruction.getKeyword() === 'RUN')
      await execute('/bin/sh', ['-ec', commandOf(instruction)], {
        cwd: app(),
        // What other tests have fetched is not fetched again.
        env: { ...cleanEnvironment(), npm_config_prefer_offline: 'true' },
      })
    else throw new Error(`the stage has ${instruction.getKeyword()}, which no test follows`)
  }
}, 120_000)

afterAll(async () => {
  await packed?.remove()
  rmSync(root, { recursive: true, force: true })
})

test('is built from what .dockerignore admits', async () => {
  const source = join(root, 'source')
  for (const path of readAdmitted()) cpSync(path, join(source, path), { recursive: true })
  symlinkSync(resolve('node_modules'), join(source, 'node_modules'))
  const env = { ...cleanEnvironment(), PATH: `${resolve('node_modules/.bin')}:${process.env['PATH']}` }
  // Types are checked elsewhere.
  await execute(process.execPath, ['scripts/build.ts', '--noCheck'], { cwd: source, env })
  for (const [path, expected] of Object.entries(built)) {
    const { paths } = await packBuilt(join(root, path), root)
    expect([...paths].sort()).toEqual([...expected().paths].sort())
  }
  expect(commandOf(instructionsOf(stageOf('build'), 'RUN').at(-1))).toBe('node --run build')
})

test('has what the lock file names, to the byte, and both drivers', () => {
  interface Lock {
    readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>
  }
  const read = (file: string): Lock['packages'] => (JSON.parse(readFileSync(file, 'utf8')) as Lock).packages
  const locked = read('package-lock.json')
  const installed = Object.entries(read(join(app(), 'node_modules/.package-lock.json')))
  const other = installed.filter(
    ([path, { version, integrity }]) =>
      locked[path]?.version !== version || locked[path]?.integrity !== integrity,
  )
  expect(other).toEqual([])
  const names = installed.map(([path]) => path.replace('node_modules/', ''))
  expect(names).toEqual(expect.arrayContaining(['pg', '@redis/client', 'fastify']))
  expect(names).not.toContain('typescript')
  // The packages have their sources beside their code, for editors.
  expect(existsSync(join(app(), 'node_modules/modelward/dist'))).toBe(true)
  for (const name of ['modelward', '@modelward/server'])
    expect([name, existsSync(join(app(), 'node_modules', name, 'src'))]).toEqual([name, false])
})

test('has the command line on its path', async () => {
  const env = { ...cleanEnvironment(), ...imageEnvironment() }
  const { stdout } = await execute('modelward', ['--version'], { env, cwd: join(root, 'data'), ...user })
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
  expect(stdout.trim()).toBe(version)
})

describe('a server of it', () => {
  test('serves as its user, is healthy while it runs, and ends at SIGTERM', async () => {
    const port = await findFreePort()
    await using server = await startServer(port, join(root, 'data'))
    await expect.poll(() => readyStatus({ address: `http://127.0.0.1:${port}` })).toBe(200)
    expect(await checkHealth(port)).toBe(0)
    server.terminate()
    expect(await server.ended).toEqual([0, null])
    expect(await checkHealth(port)).toBe(1)
  })

  test('is a node of a fleet as in Kubernetes: a Job migrates, and nothing can be written', async () => {
    await using fleet = await openTestFleet()
    const [folder, port] = [join(root, 'read-only'), await findFreePort()]
    mkdirSync(folder, { mode: 0o555 })
    // The Job has no secret but this one.
    const { MODELWARD_DATABASE_URL = '' } = fleet.env
    const env = { ...cleanEnvironment(), ...imageEnvironment(), MODELWARD_DATABASE_URL }
    await execute('modelward', containerOf(manifestOf('Job')).args, { env, cwd: folder, ...user })
    await using server = await startServer(port, folder, { ...fleet.env, MODELWARD_MIGRATE: 'never' })
    await expect.poll(() => readyStatus({ address: `http://127.0.0.1:${port}` })).toBe(200)
    server.terminate()
    expect(await server.ended).toEqual([0, null])
    expect(readdirSync(folder)).toEqual([])
  })

  test('is not healthy where something else answers', async () => {
    const other = createServer((_request, response) => response.writeHead(503).end())
    await once(other.listen(0, '127.0.0.1'), 'listening')
    expect(await checkHealth((other.address() as AddressInfo).port)).toBe(1)
    other.close()
  })
})

function imageEnvironment(): Readonly<Record<string, string>> {
  const { PATH = '', ...rest } = readImageEnvironment()
  return { ...rest, PATH: PATH.replace('/app', app()).replace('$PATH', process.env['PATH'] ?? '') }
}

/** Its `HEALTHCHECK`, in the image's environment; gives the exit code. */
async function checkHealth(port: number): Promise<number | null> {
  const [cmd = '', ...words] = execFormOf(lastOf('HEALTHCHECK')) ?? []
  const env = { ...cleanEnvironment(), ...imageEnvironment(), MODELWARD_PORT: String(port) }
  const child = spawn(cmd, words, { env, stdio: 'inherit', ...user })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

interface ImageServer extends AsyncDisposable {
  readonly terminate: () => void
  readonly ended: Promise<unknown>
}

/** Its `ENTRYPOINT` and `CMD`, as the first process of its own where that may be. */
async function startServer(
  port: number,
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ImageServer> {
  const entry = execFormOf(lastOf('ENTRYPOINT')) ?? []
  const words = [...entry, ...(execFormOf(lastOf('CMD')) ?? [])].map((word) => word.replace(/^\/app/, app()))
  const asUser = user.uid === undefined ? [] : ['setpriv', '--reuid=10001', '--regid=10001', '--clear-groups']
  const [program = '', ...args] = [...(canBeFirst ? [...first, ...asUser] : []), ...words]
  const child = spawn(program, args, {
    cwd,
    env: { ...cleanEnvironment(), ...imageEnvironment(), ...environment, MODELWARD_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(canBeFirst ? {} : user),
  })
  const ended = once(child, 'exit')
  const line = await Promise.race([once(createInterface(child.stdout), 'line'), ended.then(() => undefined)])
  if (line === undefined) throw new Error('the server of the image ended before it listened')
  const pid = pidOf(child)
  return {
    terminate: () => process.kill(pid, 'SIGTERM'),
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) process.kill(pid, 'SIGKILL')
      await ended
    },
  }
}

/** Of the server itself: `unshare` is its parent, and passes no signal on. */
function pidOf({ pid }: ChildProcess): number {
  if (!canBeFirst) return Number(pid)
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
}
