import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../guide-project.ts'
import type { Step } from './pasted-page.ts'
import { openTerminal, type Pasted, type ServerTerminal, startServer } from './terminal.ts'

const { PATH = '' } = process.env
const npm = fileURLToPath(new URL('processes/npm.ts', import.meta.url))

/** What a reader has on the machine. */
export interface ReaderOptions {
  /** A clone with its dependencies, built: what `npm install` gives. */
  readonly clone: string
  /** A Python with requests, httpx, FastAPI and uvicorn. */
  readonly python: string | undefined
}

/**
 * Follows a page as a reader does: saves its files, pastes its commands, and looks whether they
 * print what the page says. Nothing but this differs from the page: ports 8000 and 3000 to 3009
 * are free ones, `npm install` and `pip install` find everything installed, and `npx` runs what
 * is installed without npm's look around.
 *
 * @param inClone whether the reader begins in a clone, not in an empty folder
 * @throws Error, by rejecting, with the place on the page, for commands that fail or print
 *   something else, and servers that do not listen
 */
export async function followPage(
  steps: readonly Step[],
  inClone: boolean,
  options: ReaderOptions,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'modelward-reader-'))
  // A clone is named as `git clone` names it.
  const folder = join(home, 'work', inClone ? 'modelward' : 'app')
  if (inClone) copyClone(folder)
  else mkdirSync(folder, { recursive: true })
  const [serverPort = 0, ...ports] = await freePorts()
  const env = environment(home, serverPort, options)
  const onFreePorts = (text: string): string =>
    text
      .replace(/\b300(\d)\b/g, (_, digit) => String(ports[Number(digit)]))
      .replaceAll('127.0.0.1:8000', `127.0.0.1:${serverPort}`)
  try {
    await followSteps(steps, { folder, env, scratch: home }, onFreePorts)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function followSteps(
  steps: readonly Step[],
  options: Parameters<typeof openTerminal>[0],
  onFreePorts: (text: string) => string,
): Promise<void> {
  await using terminal = openTerminal(options)
  await using servers = new AsyncDisposableStack()
  let { folder } = options
  const files = new Map<string, string>()
  for (const step of steps) {
    try {
      if (step.kind === 'save') {
        const path = join(folder, step.file)
        files.set(path, `${files.get(path) ?? ''}${onFreePorts(step.text)}`)
        writeFileSync(path, files.get(path) ?? '')
      } else if (step.kind === 'serve') {
        const server: ServerTerminal = await startServer(onFreePorts(step.commands), { ...options, folder })
        servers.use(server)
      } else {
        const pasted = await terminal.paste(onFreePorts(step.commands))
        folder = pasted.folder
        if (step.prints !== undefined) expectPrinted(pasted, onFreePorts(step.prints))
      }
    } catch (error) {
      throw new Error(`${step.at}: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** Looks whether the last lines are those of the page, where `…` stands for anything. */
function expectPrinted({ stdout, errors }: Pasted, stated: string): void {
  const lines = stated.split('\n')
  const printed = stdout.split('\n').slice(-lines.length)
  const isPrinted = lines.every((line, index) =>
    new RegExp(`^${line.split('…').map(literally).join('.*')}$`).test(printed[index] ?? ''),
  )
  if (!isPrinted)
    throw new Error(`expected the commands to print\n${stated}\ngot\n${printed.join('\n')}\n${errors}`)
}

/** A pattern that matches this text alone. */
function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** A clone whose dependencies are installed: a link each, so that no command can remove them. */
export function copyClone(folder: string): void {
  const left = new Set(['.git', 'node_modules', 'dist', 'coverage', 'modelward-data'])
  cpSync('.', folder, { recursive: true, filter: (path) => !left.has(basename(path)) })
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync('node_modules'))
    symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name))
}

/** The environment of a reader's terminals, without what this process alone has. */
function environment(home: string, serverPort: number, { clone, python }: ReaderOptions): NodeJS.ProcessEnv {
  const programs = join(home, 'programs')
  mkdirSync(programs)
  writeProgram(join(programs, 'npm'), `exec '${process.execPath}' '${npm}' "$@"`)
  writeProgram(join(programs, 'npx'), 'program=$1; shift; exec "node_modules/.bin/$program" "$@"')
  if (python !== undefined) {
    writeProgram(join(programs, 'python3'), `exec '${python}' "$@"`)
    writeProgram(join(programs, 'pip'), `exec '${python}' -c 'import fastapi, httpx, requests, uvicorn'`)
    writeProgram(join(programs, 'uvicorn'), `exec '${python}' -m uvicorn "$@"`)
  }
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_|MODELWARD_|NODE_|VITEST)/i.test(name),
  )
  const path = `${dirname(process.execPath)}:${PATH}`
  return {
    ...Object.fromEntries(kept),
    PATH: `${programs}:${path}`,
    MODELWARD_PORT: String(serverPort),
    READER_PATH: path,
    READER_PACKAGE: clone,
  }
}

function writeProgram(path: string, command: string): void {
  writeFileSync(path, `#!/bin/sh\n${command}\n`)
  chmodSync(path, 0o755)
}
