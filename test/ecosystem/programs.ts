import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'vitest'

const execute = promisify(execFile)

/** The installed project, in which a test writes its app. */
export const folder: string = inject('installed')

const { PATH, HOME } = process.env

/** Without the settings of this test run, which would be the programs' own. */
const env = { PATH, HOME, NEXT_TELEMETRY_DISABLED: '1' }

const programs = {
  modelward: 'modelward/dist/bin/modelward.js',
  next: 'next/dist/bin/next',
  vite: 'vite/bin/vite.js',
  esbuild: 'esbuild/bin/esbuild',
} as const

type Program = keyof typeof programs

export async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}

/** Runs a program to its end; what it wrote. Rejects with all of that if it fails. */
export async function run(program: Program, ...args: readonly string[]): Promise<string> {
  try {
    const file = join(folder, 'node_modules', programs[program])
    const { stdout } = await execute(process.execPath, [file, ...args], { cwd: folder, env })
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string }
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

/** Runs a line of a page in the project, with these variables; what it wrote. */
export async function runLine(line: string, variables: Readonly<Record<string, string>>): Promise<string> {
  const npx = `npx() { '${process.execPath}' 'node_modules/.bin/'"$@"; }`
  const { stdout } = await execute('/bin/sh', ['-c', `${npx}\n${line}`], {
    cwd: folder,
    env: { ...env, ...variables },
  })
  return stdout
}

/** A server that runs; disposing of it ends it and the processes that it has started. */
export interface Server extends AsyncDisposable {
  readonly address: string
  /** What it has written so far. */
  readonly log: () => string
}

/** Starts `next start` or `next dev` on a port that is free. */
export async function startNext(...args: readonly string[]): Promise<Server> {
  const file = join(folder, 'node_modules', programs.next)
  // A group of its own: `next dev` runs its server in another process.
  const child = spawn(process.execPath, [file, ...args, '--hostname', '127.0.0.1', '--port', '0'], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  let log = ''
  async function end(): Promise<void> {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
    await closed
  }
  const address = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text
        const [, found] = /Local:\s+(http:\/\/\S+)/.exec(log) ?? []
        if (found !== undefined && /Ready in/.test(log)) resolve(found)
      })
    closed.then(() => reject(new Error(`next ${args.join(' ')} ended:\n${log}`)), reject)
  })
  return { address, log: () => log, [Symbol.asyncDispose]: end }
}
