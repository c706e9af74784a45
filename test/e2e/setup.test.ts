import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from './run-cli.ts'

interface Setup {
  /** Resolves once standard error has said it. */
  readonly says: (words: string) => Promise<void>
  readonly exit: Promise<number | null>
}

/** A clone in which `npm ci` is under way until the test ends the connection that it opens. */
function createClone(folder: string, port: number): () => Setup {
  mkdirSync(join(folder, 'scripts'))
  cpSync('scripts/setup.mjs', join(folder, 'scripts/setup.mjs'))
  writeFileSync(join(folder, 'package-lock.json'), '{}')
  const npm = join(folder, 'npm.cjs')
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
