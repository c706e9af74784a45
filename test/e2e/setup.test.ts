import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from './run-cli.ts'

interface Setup {
  /** Resolves once standard error has said it. */
  readonly says: (words: string) => Promise<void>
  readonly exit: Promise<number | null>
}

/** What of a clone the set-up reads; the path of its npm. */
function plantClone(folder: string): string {
  mkdirSync(join(folder, 'scripts'))
  cpSync('scripts/setup.mjs', join(folder, 'scripts/setup.mjs'))
  cpSync('package.json', join(folder, 'package.json'))
  writeFileSync(join(folder, 'package-lock.json'), '{}')
  return join(folder, 'npm.cjs')
}

/** A clone in which `npm ci` is under way until the test ends the connection that it opens. */
function createClone(folder: string, port: number): () => Setup {
  const npm = plantClone(folder)
  writeFileSync(
    npm,
    `require('node:fs').mkdirSync('node_modules', { recursive: true }); require('node:net').connect(${port}, '127.0.0.1').resume()`,
  )
  return () => {
    const child = spawn(process.execPath, ['scripts/setup.mjs'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], npm_execpath: npm },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    const exit = once(child, 'close').then(([code]) => code as number | null)
    let said = ''
    return {
      exit,
      says: (words) =>
        new Promise((settle, fail) => {
          function look(): void {
            if (said.includes(words)) settle()
          }
          child.stderr.on('data', (piece) => {
            said += String(piece)
            look()
          })
          void exit.then(() => fail(new Error(`it ended, and had said: ${said}`)))
          look()
        }),
    }
  }
}

test('a second terminal waits for the first to install, and installs nothing again', async () => {
  using clone = temporaryFolder()
  const folder = clone.path
  const installs: Socket[] = []
  const server = createServer((socket) => void installs.push(socket)).listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const start = createClone(folder, (server.address() as { readonly port: number }).port)
    // A set-up that was killed: its process is gone.
    writeFileSync(join(folder, '.modelward-setup.pid'), '4194305')

    const begun = once(server, 'connection')
    const first = start()
    await begun
    const second = start()
    await second.says('waiting for another terminal')
    for (const install of installs) install.end()

    expect([await first.exit, await second.exit]).toEqual([0, 0])
    expect(installs).toHaveLength(1)
    expect(readFileSync(join(folder, 'node_modules/.modelward-lock-sha256'), 'utf8')).toMatch(
      /^[0-9a-f]{64}$/,
    )
    expect(existsSync(join(folder, '.modelward-setup.pid'))).toBe(false)
  } finally {
    server.close()
  }
})

interface Ended {
  readonly status: number | null
  readonly stderr: string
  /** What npm was asked for, without what keeps it quiet. */
  readonly npm: readonly string[]
}

/** A clone whose npm notes what it is asked for, and installs a Node if it may. */
function createNotedClone(
  folder: string,
  hasNodeToInstall: boolean,
  node = process.execPath,
): (...args: readonly string[]) => Ended {
  const npm = plantClone(folder)
  const notes = join(folder, 'notes.txt')
  const installNode = `require('node:fs').mkdirSync('node_modules/.bin', { recursive: true })
    if (${hasNodeToInstall} && !process.argv.includes('--omit=optional')) require('node:fs').writeFileSync('node_modules/.bin/node', '')`
  writeFileSync(
    npm,
    `${installNode}\nrequire('node:fs').writeFileSync(${JSON.stringify(notes)}, process.argv.slice(2).join('\\n'))`,
  )
  return (...args) => {
    rmSync(notes, { force: true })
    const options = {
      cwd: folder,
      env: { PATH: process.env['PATH'], npm_execpath: npm },
      encoding: 'utf8',
    } as const
    const { status, stderr } = spawnSync(node, ['scripts/setup.mjs', ...args], options)
    const asked = existsSync(notes) ? readFileSync(notes, 'utf8').split('\n') : []
    return { status, stderr, npm: asked.filter((word) => !/^--(?:no-(?!save)|loglevel)/.test(word)) }
  }
}

test('a start installs what runs, tests add the rest beside it, and what is there is not installed again', () => {
  using clone = temporaryFolder()
  const setUp = createNotedClone(clone.path, true)
  expect(setUp('--to-run')).toMatchObject({ status: 0, npm: ['ci', '--omit=dev', '--omit=optional'] })
  expect(setUp('--to-run')).toEqual({ status: 0, stderr: '', npm: [] })
  expect(setUp()).toMatchObject({ status: 0, npm: ['install', '--no-save'] })
  for (const args of [[], ['--to-run']]) expect(setUp(...args)).toEqual({ status: 0, stderr: '', npm: [] })
  writeFileSync(join(clone.path, 'package-lock.json'), '{"changed":true}')
  expect(setUp()).toMatchObject({ status: 0, npm: ['ci'] })
})

test.each([true, false])(
  'under a Node that is too old it installs one, and starts nothing without it: %s',
  (hasNodeToInstall) => {
    using clone = temporaryFolder()
    const setUp = createNotedClone(clone.path, hasNodeToInstall)
    const manifest = join(clone.path, 'package.json')
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/>=\d+\.\d+/, '>=9999.0'))
    const { status, stderr, npm } = setUp('--to-run')
    expect([status, npm]).toEqual([hasNodeToInstall ? 0 : 1, ['ci', '--omit=dev']])
    expect(stderr.includes('is too old, and npm could not install a newer one here')).toBe(!hasNodeToInstall)
    expect(setUp('--to-run').npm).toEqual(hasNodeToInstall ? [] : ['ci', '--omit=dev'])
  },
)

test('under the Node that is installed here, which is deleted, another is installed: the machine’s may be too old', () => {
  using clone = temporaryFolder()
  const folder = join(clone.path, 'node_modules/node/bin')
  mkdirSync(folder, { recursive: true })
  copyFileSync(process.execPath, join(folder, 'node'))
  const setUp = createNotedClone(clone.path, true, join(folder, 'node'))
  expect(setUp('--to-run')).toMatchObject({ status: 0, npm: ['ci', '--omit=dev'] })
})

test('what `npm ci` has installed by hand stays, and is not installed again unless the lock file has changed', () => {
  using clone = temporaryFolder()
  const setUp = createNotedClone(clone.path, true)
  const listOf = (version: string, more: object = {}) =>
    JSON.stringify({ packages: { 'node_modules/a': { version }, ...more } })
  mkdirSync(join(clone.path, 'node_modules'))
  writeFileSync(join(clone.path, 'node_modules/.package-lock.json'), listOf('1.0.0'))
  // What is optional may be of another machine.
  const others = { '': {}, 'node_modules/b': { version: '2.0.0', optional: true } }
  writeFileSync(join(clone.path, 'package-lock.json'), listOf('1.0.0', others))
  expect(setUp('--to-run')).toEqual({ status: 0, stderr: '', npm: [] })
  expect(setUp()).toEqual({ status: 0, stderr: '', npm: [] })
  writeFileSync(join(clone.path, 'package-lock.json'), listOf('1.0.1', others))
  expect(setUp()).toMatchObject({ status: 0, npm: ['ci'] })
})

test('a clone that cannot be written says so in one sentence', (context) => {
  using clone = temporaryFolder()
  const mount = (...args: readonly string[]) =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', ...args, 'tmpfs', clone.path], { stdio: 'ignore' }).status === 0
  if (!mount('size=1m')) return context.skip('mounting a disk takes root')
  try {
    plantClone(clone.path)
    expect(mount('remount,ro')).toBe(true)
    const { status, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs'], {
      cwd: clone.path,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^modelward: nothing can be installed here \(EROFS.*\); nothing was started\n$/),
    ])
  } finally {
    spawnSync('umount', ['--lazy', clone.path])
  }
})
