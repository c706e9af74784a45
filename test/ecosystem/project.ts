import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { isAsSaid, readRequests } from '../docs/page-requests.ts'
import { exchange, formatRequest } from '../parity/raw-http.ts'
import { folder, run, runLine, type Server } from './programs.ts'

const execute = promisify(execFile)
const { PATH, HOME } = process.env
const env = { PATH, HOME, NO_COLOR: '1' }

/** A key as its command says it. */
export interface CreatedKey {
  readonly id: string
  readonly key: string
}

/** What a test reads of a record. */
export interface RequestRecord {
  readonly event: string
  readonly route: string | null
  readonly status: number | null
  readonly code: string | null
  readonly owner: string | null
  readonly detail: unknown
}

/** How a process has ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NodeServer extends Server {
  readonly port: number
  /** Sends it SIGTERM, and waits for its end. */
  readonly end: () => Promise<Ended>
}

/** A project of its own below the installed one, with a data folder; disposing removes it. */
export interface Project extends AsyncDisposable {
  readonly write: (files: Readonly<Record<string, string>>) => Promise<void>
  /** Compiles by the project's `tsconfig.json`. Rejects with what is wrong. */
  readonly compile: () => Promise<void>
  /** Runs a file to its own end, with these variables; what it printed. */
  readonly run: (args: readonly string[], variables?: Readonly<Record<string, string>>) => Promise<string>
  /** Starts a file that says on which address it listens. */
  readonly start: (file: string, variables?: Readonly<Record<string, string>>) => Promise<NodeServer>
  readonly createKey: (...args: readonly string[]) => Promise<CreatedKey>
  /** A command on the data folder; what it printed as JSON. */
  readonly modelward: (...args: readonly string[]) => Promise<unknown>
  /** The records of requests, the oldest first, once the whole ledger has verified. */
  readonly requests: () => Promise<readonly RequestRecord[]>
}

export async function openProject(name: string): Promise<Project> {
  const path = await mkdtemp(join(folder, `${name}-`))
  const data = ['--data', join(basename(path), 'modelward-data')]

  async function node(args: readonly string[], variables = {}): Promise<string> {
    try {
      const options = { cwd: path, env: { ...env, ...variables } }
      return (await execute(process.execPath, [...args], options)).stdout
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string }
      throw new Error(`${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
    }
  }
  async function modelward(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await run('modelward', ...args, ...data, '--json'))
  }
  return {
    async write(files) {
      for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text)
    },
    async compile() {
      await node([join(folder, 'node_modules/typescript/bin/tsc'), '-p', '.'])
    },
    run: node,
    start: (file, variables = {}) => startNode(path, file, variables),
    createKey: async (...args) => (await modelward('keys', 'create', '--name', 'me', ...args)) as CreatedKey,
    modelward,
    async requests() {
      await modelward('ledger', 'verify')
      const { records } = (await modelward('ledger', 'query', '--limit', '1000')) as {
        readonly records: readonly RequestRecord[]
      }
      return records.filter(({ event }) => event.startsWith('request')).toReversed()
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

async function startNode(
  cwd: string,
  file: string,
  variables: Readonly<Record<string, string>>,
): Promise<NodeServer> {
  const child = spawn(process.execPath, [file], {
    cwd,
    env: { ...env, PORT: '0', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  let log = ''
  const address = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text
        const [, found] = /listening on (http:\/\/\S+)/.exec(log) ?? []
        if (found !== undefined) resolve(found)
      })
    closed.then(() => reject(new Error(`${file} ended:\n${log}`)), reject)
  })
  async function end(): Promise<Ended> {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const [code, signal] = await closed
    return { code, signal }
  }
  return {
    address,
    port: Number(new URL(address).port),
    log: () => log,
    end,
    async [Symbol.asyncDispose]() {
      await end()
    },
  }
}

/** The files that a page lists, by the names in their first lines. */
export function listingsOf(page: string): Readonly<Record<string, string>> {
  const blocks = page.matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```$/gms)
  return Object.fromEntries([...blocks].map(([, file = '', text = '']) => [file, text]))
}

/** Sends each `curl` of a page, and holds the answer against what the page says of it. */
export async function expectAsSaid(page: string, server: Server, key: string): Promise<void> {
  const requests = readRequests(page)
  expect(requests.length).toBeGreaterThan(0)
  for (const request of requests) {
    const line = request.command.replace('http://127.0.0.1:3000', server.address)
    const answer = await runLine(`${line} -s -w '\\n%{http_code}'`, { KEY: key })
    const [, body = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(answer) ?? []
    expect([line, answer, isAsSaid(request, status, body)]).toEqual([line, answer, true])
  }
}

/** The files of an example that these patterns name. */
export function readExample(name: string, patterns: readonly string[]): Readonly<Record<string, string>> {
  const folder = join('examples', name)
  return Object.fromEntries(
    globSync(patterns, { cwd: folder }).map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
  )
}

/** Revokes a key by the command line: no request that is sent a second later has status 200. */
export async function expectRevokedInTime(
  project: Project,
  id: string,
  ask: () => Promise<number>,
): Promise<void> {
  expect(await ask()).toBe(200)
  await project.modelward('keys', 'revoke', id, '--reason', 'left')
  const revokedAt = performance.now()
  for (let status = 200; status !== 403; ) {
    const askedAt = performance.now()
    status = await ask()
    if (status === 200) expect(askedAt - revokedAt).toBeLessThan(1_000)
  }
}

/** A request of 2 MB without a key is refused while its body is withheld, and when it is sent. */
export async function expectRefusedUnread(port: number, path: string): Promise<void> {
  const headers = [
    ['content-type', 'application/json'],
    ['content-length', '2000000'],
  ] as const
  const body = 'x'.repeat(2_000_000)
  for (const request of [
    { path, headers },
    { path, headers, body },
  ]) {
    const { status, interim } = await exchange(port, formatRequest(request))
    expect([path, status, interim]).toEqual([path, 401, []])
  }
}
