import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, runJson } from '../e2e/run-cli.ts'

const resolveSources = fileURLToPath(new URL('processes/resolve-sources.mjs', import.meta.url))

/** An example that runs, as a process of its own, in a folder of its own. */
export interface ExampleProcess extends AsyncDisposable {
  readonly address: string
  readonly ask: (path: string, init?: Ask) => Promise<Answer>
  /** Asks it to end, and gives its exit code and everything that it wrote to standard error. */
  readonly end: () => Promise<{ readonly code: number | null; readonly stderr: string }>
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The parsed body where it is JSON, its text otherwise. */
  readonly body: unknown
}

/**
 * Starts a script of an example in this folder, on a free port, and waits for the line that says
 * where it listens.
 */
export async function startExample(
  folder: string,
  script: URL,
  env: Readonly<Record<string, string>> = {},
): Promise<ExampleProcess> {
  const child = spawnScript(folder, script, [], { PORT: '0', ...env })
  const stderr = text(child.stderr)
  const closed = once(child, 'close') as Promise<[number | null]>
  let address: string | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    address = /^listening on (http:\/\/\S+)$/.exec(line)?.[1]
    if (address !== undefined) break
  }
  if (address === undefined) throw new Error(`${script.pathname} ended before it listened: ${await stderr}`)
  return {
    address,
    ask: (path, init) => ask(new URL(path, address), init),
    async end() {
      child.kill('SIGTERM')
      const [[code], log] = await Promise.all([closed, stderr])
      return { code, stderr: log }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** Runs a script of an example to its end, in this folder. */
export async function runExample(
  folder: string,
  script: URL,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly stdout: string }> {
  const child = spawnScript(folder, script, args, {})
  const [[code], stdout] = await Promise.all([
    once(child, 'close') as Promise<[number | null]>,
    text(child.stdout),
  ])
  return { code, stdout }
}

/** Makes a key on the command line, as the example's page says, and gives its text. */
export async function createKey(folder: string, args: readonly string[]): Promise<string> {
  const { key } = await runJson<{ key: string }>(['keys', 'create', '--name', 'me', ...args], { cwd: folder })
  return key
}

function spawnScript(folder: string, script: URL, args: readonly string[], env: Record<string, string>) {
  return spawn(process.execPath, ['--import', resolveSources, fileURLToPath(script), ...args], {
    cwd: folder,
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function ask(url: URL, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const received = await answer.text()
  const isJson = /json/.test(answer.headers.get('content-type') ?? '')
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(received) : received }
}
