import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { isAsSaid } from '../docs/page-requests.ts'
import { cleanEnvironment, runJson } from '../e2e/run-cli.ts'
import type { ExampleManifest } from './example-copies.ts'
import type { ExamplePage } from './example-page.ts'

const execute = promisify(execFile)

/** An example that runs, as a process of its own. */
export interface ExampleProcess extends AsyncDisposable {
  readonly address: string
  readonly ask: (path: string, init?: Ask) => Promise<Answer>
  /** Asks it to end, by SIGTERM, and gives its exit code and what it wrote to standard error. */
  readonly end: () => Promise<Ended>
  /** As Ctrl-C does: to it and to all that it has started. */
  readonly interrupt: () => Promise<Ended>
}

interface Ended {
  readonly code: number | null
  readonly stderr: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The parsed body where it is JSON, its text otherwise. */
  readonly body: unknown
}

/**
 * Starts a copy of an example, on a free port, and waits for the line that says where it listens.
 *
 * @param command what starts it in the place of its `npm start`
 */
export async function startExample(
  folder: string,
  command: string = scriptOf(folder, 'npm start'),
): Promise<ExampleProcess> {
  // The process of the script itself, as a service manager starts it: npm hands no SIGTERM on.
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    cwd: folder,
    env: environment(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: npm runs the app as another process.
    detached: true,
  })
  const stderr = text(child.stderr)
  const closed = once(child, 'close') as Promise<[number | null]>
  let isClosed = false
  child.once('close', () => {
    isClosed = true
  })
  function signalAll(signal: NodeJS.Signals): void {
    if (child.pid !== undefined && !isClosed) process.kill(-child.pid, signal)
  }
  async function ended(): Promise<Ended> {
    const [[code], log] = await Promise.all([closed, stderr])
    return { code, stderr: log }
  }
  let address: string | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    address = /\blisten(?:s|ing) on (http:\/\/\S+)/.exec(line)?.[1]
    if (address !== undefined) break
  }
  if (address === undefined) throw new Error(`${command} ended before it listened: ${await stderr}`)
  return {
    address,
    ask: (path, init) => ask(new URL(path, address), init),
    end() {
      child.kill('SIGTERM')
      return ended()
    },
    interrupt() {
      signalAll('SIGINT')
      return ended()
    },
    async [Symbol.asyncDispose]() {
      signalAll('SIGKILL')
      await closed
    },
  }
}

/** What `npm start` or `npm run train` runs in a copy of an example. */
function scriptOf(folder: string, command: string): string {
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as ExampleManifest
  const script = scripts?.[/^npm (?:run )?(\w+)$/.exec(command)?.[1] ?? '']
  if (script === undefined) throw new Error(`${folder}: its package.json has no script for \`${command}\``)
  return script
}

/** Runs a script of an example, `npm run train`, to its end. */
export async function runScript(folder: string, command: string): Promise<void> {
  await runShell(folder, scriptOf(folder, command))
}

/**
 * Runs a command with these arguments and `--json` in a copy; what it answers. It is that of the
 * sources: what is pasted from a page runs the one that is installed.
 */
export function runModelward<T>(folder: string, args: readonly string[]): Promise<T> {
  return runJson<T>(args, { cwd: folder })
}

/** Makes a key on the command line, and gives its text. */
export async function createKey(folder: string, args: readonly string[]): Promise<string> {
  const created = ['keys', 'create', '--name', 'me', ...args]
  return (await runModelward<{ readonly key: string }>(folder, created)).key
}

/** A request of a page, what was answered, and whether that is what the page says. */
interface Asked {
  readonly command: string
  readonly said: string
  readonly status: string
  readonly body: string
  readonly isAsSaid: boolean
}

/**
 * Pastes all commands of an example's page into one shell, in its copy's folder, with the address
 * of the app in the place of the page's.
 */
export async function paste(folder: string, page: ExamplePage, address: string): Promise<readonly Asked[]> {
  const commands = page.pasted.map((line) =>
    line
      .replace(/http:\/\/127\.0\.0\.1:[38]000/, address)
      .replace(/^curl /, "curl -s -w '\\n%{http_code}\u001e' "),
  )
  const answers = (await runShell(folder, `set -eu\n${commands.join('\n')}`)).split('\u001e').slice(0, -1)
  if (answers.length !== page.requests.length)
    throw new Error(`${page.requests.length} requests had ${answers.length} answers`)
  return page.requests.map((request, nth) => {
    const [, body = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(answers[nth] ?? '') ?? []
    return { ...request, status, body, isAsSaid: isAsSaid(request, status, body) }
  })
}

/** Runs commands in a copy's folder, where `npx` runs what is installed; their output. */
export async function runShell(folder: string, commands: string): Promise<string> {
  const npx = `npx() { program=$1; shift; "node_modules/.bin/$program" "$@"; }`
  const { stdout } = await execute('/bin/sh', ['-c', `${npx}\n${commands}`], {
    cwd: folder,
    env: environment(folder),
  })
  return stdout
}

function environment(folder: string): NodeJS.ProcessEnv {
  const { PATH = '' } = process.env
  // What npm puts before the path of a script, and the Node of this run.
  const path = [join(folder, 'node_modules/.bin'), dirname(process.execPath), PATH].join(':')
  return { ...cleanEnvironment(), PATH: path, PORT: '0', MODELWARD_PORT: '0' }
}

async function ask(url: URL, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const received = await answer.text()
  const isJson = /json/.test(answer.headers.get('content-type') ?? '')
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(received) : received }
}
