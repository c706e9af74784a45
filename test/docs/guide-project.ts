import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { spawnCli } from '../e2e/run-cli.ts'
import { findFreePort } from '../support/services.ts'
import type { GuideModules } from './guide-modules.ts'

const sources = fileURLToPath(new URL('../../src', import.meta.url))
/** In the environment, because a model's threads do not inherit the flags of their process. */
const NODE_OPTIONS = `--import ${new URL('../examples/processes/resolve-sources.mjs', import.meta.url).href}`
const processes = fileURLToPath(new URL('processes', import.meta.url))
const run = promisify(execFile)
const { PATH } = process.env

/** A user's project in a temporary folder; its `modelward` is this repository's sources. */
export interface GuideProject extends Disposable {
  readonly add: (guide: string, modules: GuideModules) => Promise<void>
  /** TypeScript's errors in all modules, in strict mode; empty without errors. */
  readonly typeCheck: () => Promise<string>
  /** Runs a module of a guide; its standard output. Rejects with its standard error if it fails. */
  readonly run: (
    guide: string,
    file: string,
    flags?: readonly string[],
    env?: NodeJS.ProcessEnv,
  ) => Promise<string>
  /** Starts the server of a guide, with the guide's flags, on the port that replaces 8000 in it. */
  readonly serve: (guide: string, flags: readonly string[]) => Promise<GuideServer>
}

/** The server of a guide; disposing of this ends the server. */
export interface GuideServer extends AsyncDisposable {
  readonly address: string
  /** The folder in which it was started and has its data. */
  readonly folder: string
  /** The first keys, as a guide names them. */
  readonly keys: { readonly KEY: string; readonly ADMIN_KEY: string }
}

export function createGuideProject(): GuideProject {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-guides-'))
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  cpSync(processes, folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
  const serverPorts = new Map<string, number>()
  return {
    async add(guide, { files }) {
      const [serverPort = 0, ...ports] = await freePorts()
      serverPorts.set(guide, serverPort)
      for (const [file, text] of files) {
        const path = join(folder, guide, file)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(
          path,
          text
            .replace(/\b300(\d)\b/g, (_, digit) => String(ports[Number(digit)]))
            .replaceAll('http://127.0.0.1:8000', `http://127.0.0.1:${serverPort}`),
        )
      }
    },
    async typeCheck() {
      return run(resolve('node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], { cwd: folder }).then(
        () => '',
        (failed: { readonly stdout?: string }) => failed.stdout || String(failed),
      )
    },
    async run(guide, file, flags = [], env = {}) {
      const { stdout } = await run(process.execPath, [...flags, file], {
        cwd: join(folder, guide),
        timeout: 30_000,
        env: { PATH, NODE_OPTIONS, ...env },
      })
      return stdout
    },
    serve: (guide, flags) =>
      startServer(join(folder, guide), ['--port', String(serverPorts.get(guide)), ...flags]),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function startServer(cwd: string, flags: readonly string[]): Promise<GuideServer> {
  const child = spawnCli(['serve', '--json', ...flags], { cwd, env: { NODE_OPTIONS } })
  const closed = once(child, 'close')
  let log = ''
  child.stderr?.on('data', (piece) => {
    log += String(piece)
  })
  const listening = child.stdout && (await Promise.race([once(child.stdout, 'data'), closed]))
  if (child.exitCode !== null) throw new Error(`serve ended before it listened: ${log}`)
  const { listening: address } = JSON.parse(String(listening?.[0]).split('\n', 1)[0] ?? '')
  const { demo, admin } = JSON.parse(readFileSync(join(cwd, 'modelward-data/first-keys.json'), 'utf8'))
  return {
    address,
    folder: cwd,
    keys: { KEY: demo, ADMIN_KEY: admin },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await closed
    },
  }
}

const tsconfig = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable', 'dom', 'dom.iterable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    // The declarations of @fastify/websocket need @types/ws.
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    paths: { modelward: [`${sources}/index.ts`], 'modelward/*': [`${sources}/*/index.ts`] },
  },
  include: ['**/*.ts'],
}

/** Eleven free ports. */
export async function freePorts(): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < 11) ports.add(await findFreePort())
  return [...ports]
}
