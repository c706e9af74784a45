import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { GuideModules } from './guide-modules.ts'

const sources = fileURLToPath(new URL('../../src', import.meta.url))
const resolveSources = fileURLToPath(new URL('../examples/processes/resolve-sources.mjs', import.meta.url))
const processes = fileURLToPath(new URL('processes', import.meta.url))
const run = promisify(execFile)
const { PATH } = process.env

/** A project in a temporary folder, as a user would have it, whose `modelward` is this repository's sources. */
export interface GuideProject extends Disposable {
  readonly add: (guide: string, modules: GuideModules) => Promise<void>
  /** What TypeScript says of all modules, strictly; nothing where it is content. */
  readonly typeCheck: () => Promise<string>
  /** Runs a module of a guide, and gives its standard output. Rejects where it fails, with its standard error. */
  readonly run: (guide: string, file: string, flags?: readonly string[]) => Promise<string>
}

export function createGuideProject(): GuideProject {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-guides-'))
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  cpSync(processes, folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
  return {
    async add(guide, { files }) {
      const ports = await freePorts()
      for (const [file, text] of files) {
        const path = join(folder, guide, file)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(
          path,
          text.replace(/\b300(\d)\b/g, (_, digit) => String(ports[Number(digit)])),
        )
      }
    },
    async typeCheck() {
      return run(resolve('node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], { cwd: folder }).then(
        () => '',
        (failed: { readonly stdout?: string }) => failed.stdout || String(failed),
      )
    },
    async run(guide, file, flags = []) {
      const { stdout } = await run(process.execPath, ['--import', resolveSources, ...flags, file], {
        cwd: join(folder, guide),
        timeout: 30_000,
        env: { PATH },
      })
      return stdout
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
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
    // Declarations of other packages: @fastify/websocket's want @types/ws.
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    paths: { modelward: [`${sources}/index.ts`], 'modelward/*': [`${sources}/*/index.ts`] },
  },
  include: ['**/*.ts'],
}

/** Ten free ports below those that systems give out by themselves, so that no connection of another test takes one meanwhile. */
async function freePorts(): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < 10) {
    const port = randomInt(10_000, 32_768)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
