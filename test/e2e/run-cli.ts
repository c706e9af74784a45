import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { runInHost } from '../support/command-hosts.ts'

export const cliFile: string = resolve('src/cli/main.ts')

export interface CliOptions {
  /** @default the system's temporary folder, where no configuration lies */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Standard input. @default empty */
  readonly input?: string
  /** A program that runs it, and its arguments, `strace` for one. @default none */
  readonly under?: readonly string[]
}

export interface CliRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** By these Node decides whether a terminal has colours, whatever the terminal is. */
const colourVariables = ['NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'CI', 'TEAMCITY_VERSION']

/** The environment of this process, without settings that would change what a test sees. */
export function cleanEnvironment(env: CliOptions['env'] = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('MODELWARD_') && !colourVariables.includes(name),
  )
  return { ...Object.fromEntries(kept), ...env }
}

/** Commands that take over signals, or the end of their process. */
const ofOwnProcess = ['serve']

/** What a process reads when it starts. */
function isOfStart(variable: string): boolean {
  return /^(NODE_|LD_|UV_|SSL_|TZ$|FAKETIME)/.test(variable)
}

/** Starts the real command line as a process of its own. */
export function spawnCli(args: readonly string[], options: CliOptions = {}): ChildProcess {
  const [program = '', ...rest] = [...(options.under ?? []), process.execPath, cliFile, ...args]
  const child = spawn(program, rest, {
    cwd: options.cwd ?? tmpdir(),
    env: cleanEnvironment(options.env),
    stdio: 'pipe',
  })
  // A child that reads nothing may be gone before all of this is written.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  return child
}

/**
 * Runs one command to its end: in a process that has run others before, where one is free and
 * nothing is asked that only a process of its own has.
 */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const { cwd = tmpdir(), env, input = '', under } = options
  const isOrdinary = under === undefined && !Object.keys(env ?? {}).some(isOfStart)
  const ran =
    isOrdinary && !ofOwnProcess.includes(args[0] ?? '')
      ? await runInHost({ args, cwd, env: cleanEnvironment(env), input })
      : undefined
  return ran ?? runInOwnProcess(args, options)
}

/** Runs one command to its end in a process of its own. */
export async function runInOwnProcess(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = spawnCli(args, options)
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'close') as Promise<[number | null]>,
    child.stdout ? text(child.stdout) : '',
    child.stderr ? text(child.stderr) : '',
  ])
  return { code, stdout, stderr }
}

/**
 * Runs a command with `--json` and reads what it answers; fails with what it said where it did not
 * succeed.
 */
export async function runJson<T>(args: readonly string[], options: CliOptions = {}): Promise<T> {
  const { code, stdout, stderr } = await runCli([...args, '--json'], options)
  if (code !== 0) throw new Error(`modelward ${args.join(' ')}: exit code ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}

/** The error that a command with `--json` reports, behind what it has logged. */
export async function runError(
  args: readonly string[],
  options: CliOptions = {},
): Promise<{
  readonly code: number | null
  readonly error: { code: string; message: string; errors?: unknown[] }
}> {
  const { code, stdout, stderr } = await runCli([...args, '--json'], options)
  if (stdout !== '') throw new Error(`expected nothing on standard output, got ${stdout}`)
  return {
    code,
    ...(JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as {
      error: { code: string; message: string }
    }),
  }
}

export interface ServeProcess extends AsyncDisposable {
  readonly address: string
  readonly child: ChildProcess
  /** All of standard error so far. */
  readonly log: () => string
  /** All of standard output so far. */
  readonly output: () => string
}

/** Starts `serve` over a data folder: see `startServer`. */
export function startServe(
  data: string,
  args: readonly string[] = [],
  options: CliOptions = {},
): Promise<ServeProcess> {
  return startServer(['--data', data, ...args], options)
}

/** Starts `serve`, on a free port unless one is named, and waits for its first line. */
export async function startServer(args: readonly string[], options: CliOptions = {}): Promise<ServeProcess> {
  const port = args.includes('--port') ? [] : ['--port', '0']
  const child = spawnCli(['serve', ...port, '--json', ...args], options)
  let log = ''
  child.stderr?.on('data', (piece) => {
    log += String(piece)
  })
  let output = ''
  child.stdout?.on('data', (piece) => {
    output += String(piece)
  })
  const closed = once(child, 'close')
  const lines = child.stdout ? createInterface(child.stdout) : undefined
  const line = await Promise.race([lines ? once(lines, 'line') : closed, closed.then(() => undefined)])
  if (line === undefined) throw new Error(`serve ended before it listened: ${log}`)
  const { listening } = JSON.parse(String(line[0])) as { readonly listening: string }
  return {
    address: listening,
    child,
    log: () => log,
    output: () => output,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** A folder of one test's own, removed after it. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'modelward-cli-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
