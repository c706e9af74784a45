import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { createGuideModules } from '../docs/guide-modules.ts'
import { isAsSaid, readRequests } from '../docs/page-requests.ts'
import { folder, run, runLine, write } from './programs.ts'

const guide = readFileSync('docs/guides/runtimes.md', 'utf8')
const { files } = createGuideModules('docs/guides/runtimes.md', guide)
const requests = readRequests(guide)

/** The data folder of every listing of the guide. */
const data = 'modelward-data'

/** A program from the package of this platform: no install script has put it anywhere else. */
function programIn(pattern: string): string {
  const [file] = globSync(pattern, { cwd: folder })
  if (file === undefined) throw new Error(`${folder} has no ${pattern}`)
  return join(folder, file)
}

/** What the first word of a command of the guide runs. */
const programs: Readonly<Record<string, () => readonly string[]>> = {
  bun: () => [programIn('node_modules/@oven/bun-*/bin/bun')],
  bunx: () => [programIn('node_modules/@oven/bun-*/bin/bun'), 'x'],
  deno: () => [programIn('node_modules/@deno/*/deno')],
}

/** The path of a runtime's program. */
export function programOf(name: 'bun' | 'deno'): string {
  return programs[name]?.()[0] ?? ''
}

/** The guide's command with these words in it. */
export function commandOf(words: string): string {
  const found = guide.split('\n').filter((line) => line in shown && line.includes(words))
  const [line] = found
  if (found.length !== 1 || line === undefined)
    throw new Error(`docs/guides/runtimes.md: expected one command with ${words}, got ${found.length}`)
  return line
}

const shown = Object.fromEntries(
  [...guide.matchAll(/^```sh\n([\s\S]*?)\n```$/gm)].flatMap(([, lines = '']) =>
    lines.split('\n').map((line) => [line, true]),
  ),
)

/** A listing of the guide, on a port that is free. */
export function listingOf(name: string): string {
  const text = files.get(name)
  if (text === undefined) throw new Error(`docs/guides/runtimes.md: no ${name}`)
  return text.replaceAll('3000', '0')
}

/** Writes the listings that a test runs. */
export async function writeListings(...names: readonly string[]): Promise<void> {
  await write(Object.fromEntries(names.map((name) => [name, listingOf(name)])))
}

/** One for each framework, from `test/package/apps`. */
export const apps = ['fastify.mjs', 'express.mjs', 'hono.mjs', 'web.mjs'] as const

/** Flags of a server that a test asks as often as it likes. */
export const freely = ['--port', '0', '--json', '--limit-default', ''] as const

/**
 * Each test of a file finds the installed project as it was, and leaves it so.
 *
 * @param written what the file's tests write, beside the listings of the guide
 */
export function cleanAround(...written: readonly string[]): void {
  async function clean(): Promise<void> {
    const programs = ['bundle', 'deno.lock', 'threaded.mjs', 'process.mjs', ...files.keys()]
    for (const path of [data, ...programs, ...written])
      await rm(join(folder, path), { recursive: true, force: true })
  }
  beforeEach(clean)
  afterEach(clean)
}

export interface Runtime extends AsyncDisposable {
  readonly child: ChildProcess
  /** Where it has said last that it listens. */
  readonly address: () => string
  readonly log: () => string
  /** Resolves once its log matches, beyond its first characters; rejects if it ends before. */
  readonly said: (pattern: RegExp, beyond?: number) => Promise<void>
}

/** Starts a command, of the guide or like one, and waits until it listens. */
export async function start(line: string, flags?: readonly string[], node?: string): Promise<Runtime> {
  const runtime = launch(line, flags, node)
  try {
    await runtime.said(/listening/)
    return runtime
  } catch (error) {
    await runtime[Symbol.asyncDispose]()
    throw error
  }
}

/** Starts a command without a wait; `node` is another Node than this one. */
export function launch(line: string, flags: readonly string[] = [], node = process.execPath): Runtime {
  const [name = '', ...args] = line
    .replace(/^npx /, 'node node_modules/.bin/')
    .replaceAll('3000', '0')
    .split(' ')
  const [program = '', ...first] = name === 'node' ? [node] : (programs[name]?.() ?? [])
  // A group of its own: some start their app in another process.
  const child = spawn(program, [...first, ...args, ...flags], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  let log = ''
  const hear = (text: string): void => {
    log += text
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear)
  async function said(pattern: RegExp, beyond = 0): Promise<void> {
    while (!pattern.test(log.slice(beyond)))
      await Promise.race([
        ...[child.stdout, child.stderr].map((stream) => once(stream, 'data')),
        closed.then(() => {
          if (!pattern.test(log.slice(beyond))) throw new Error(`${line} ended:\n${log}`)
        }),
      ])
  }
  return {
    child,
    log: () => log,
    said,
    address: () => {
      const [, found = ''] = [...log.matchAll(/listening\W+(?:on )?"?(http:\/\/[^\s"/]+)/g)].at(-1) ?? []
      return found.replace('localhost', '127.0.0.1')
    },
    async [Symbol.asyncDispose]() {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, 'SIGKILL')
      await closed
    },
  }
}

export interface Made {
  readonly id: string
  readonly key: string
}

/** Makes a key by the guide's command, under Node. */
export async function createKey(...args: readonly string[]): Promise<Made> {
  const line = [commandOf('npx modelward keys create'), ...args, '--json'].join(' ')
  return JSON.parse(await runLine(line, {})) as Made
}

export function ask(address: string, key: string): Promise<Response> {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  return fetch(`${address}/predict`, { method: 'POST', headers, body: '{"text":"I love it"}' })
}

/** The status of an answer, and the code of a problem. */
export async function answerOf(response: Response): Promise<string> {
  const { code } = (await response.json()) as { readonly code?: string }
  return code === undefined ? `${response.status}` : `${response.status} ${code}`
}

/** The guide's own requests get the answers that it states. */
export async function expectGuarded({ address }: Runtime): Promise<void> {
  const { key } = await createKey()
  expect(requests.map(({ said }) => said)).toEqual(['200', '403 key_invalid', '401 key_missing'])
  for (const request of requests) {
    const body = `-H 'content-type: application/json' -d '{"text":"I love it"}'`
    const line = request.command.replace('http://127.0.0.1:3000', address())
    const answer = await runLine(`${line} ${body} -s -w '\\n%{http_code}'`, { KEY: key })
    const [, text = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(answer) ?? []
    expect([line, answer, isAsSaid(request, status, text)]).toEqual([line, answer, true])
  }
}

/** So many are let in, and no more. */
export async function expectLimited({ address }: Runtime): Promise<void> {
  const { key } = await createKey('--limit', '5/h')
  const answers: string[] = []
  for (let asked = 0; asked < 8; asked += 1) answers.push(await answerOf(await ask(address(), key)))
  expect(answers).toEqual([...Array(5).fill('200'), ...Array(3).fill('429 rate_limited')])
}

/** The command line under Node revokes a key, which is refused within a second. */
export async function expectRevocable({ address }: Runtime): Promise<void> {
  const { id, key } = await createKey('--limit', 'none')
  expect(await answerOf(await ask(address(), key))).toBe('200')
  await run('modelward', 'keys', 'revoke', id)
  const endedAt = performance.now()
  let answer = await answerOf(await ask(address(), key))
  while (answer === '200') answer = await answerOf(await ask(address(), key))
  expect(answer).toBe('403 key_revoked')
  expect(performance.now() - endedAt).toBeLessThan(1_000)
}

/** Asks without an end, many at once, until so many are answered; kills it; which were answered. */
async function askUntilKilled(runtime: Runtime, key: string, answers: number): Promise<readonly string[]> {
  const answered: string[] = []
  async function askOneAfterAnother(): Promise<void> {
    for (;;) {
      const response = await ask(runtime.address(), key)
      expect(response.status).toBe(200)
      answered.push(response.headers.get('x-request-id') ?? '')
      await response.arrayBuffer()
      if (answered.length === answers) process.kill(-(runtime.child.pid ?? 0), 'SIGKILL')
    }
  }
  const closed = once(runtime.child, 'close')
  const ends = await Promise.allSettled(Array.from({ length: 16 }, askOneAfterAnother))
  await closed
  for (const end of ends)
    expect(String(end.status === 'rejected' && end.reason)).toMatch(/fetch failed|terminated/)
  return answered
}

/**
 * Killed in the middle of load, it opens again, and every request that was answered has its record
 * in a ledger that Node verifies.
 */
export async function expectSurvivesKill(line: string, flags?: readonly string[]): Promise<void> {
  const { id, key } = await createKey('--limit', 'none')
  await using killed = await start(line, flags)
  const answered = await askUntilKilled(killed, key, 300)
  await using again = await start(line, flags)
  expect(await answerOf(await ask(again.address(), key))).toBe('200')
  const query = ['ledger', 'query', '--key', id, '--event', 'request.admitted', '--limit', '1000', '--json']
  const { records } = JSON.parse(await run('modelward', ...query)) as {
    readonly records: readonly { readonly request_id: string }[]
  }
  const recorded = new Set(records.map((record) => record.request_id))
  expect(answered.length).toBeGreaterThanOrEqual(300)
  expect(answered.filter((request) => !recorded.has(request))).toEqual([])
  await expectVerified(answered.length)
}

/** A server in this runtime does jobs, with a model in a thread and one in a process. */
export async function expectJobsDone(line: string): Promise<void> {
  const model = (runs: string): string =>
    `export const model = { name: '${runs}', version: '1', runs: '${runs}', batchMax: 8,
      predict: (texts) => texts.map(() => ({ runs: '${runs}' })) }\n`
  await write({ 'threaded.mjs': model('threaded'), 'process.mjs': model('process') })
  const flags = ['--port', '0', '--json', '--model', './threaded.mjs', '--model', './process.mjs']
  await using server = await start(line, flags)
  const { key } = await createKey()
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  for (const runs of ['threaded', 'process']) {
    const submitted = await fetch(`${server.address()}/models/${runs}/predict`, {
      method: 'POST',
      headers: { ...headers, prefer: 'respond-async' },
      body: '{"text":"hello"}',
    })
    const { id } = (await submitted.json()) as { readonly id: string }
    const done = await fetch(`${server.address()}/jobs/${id}?wait=30`, { headers })
    expect(await done.json()).toMatchObject({ status: 'succeeded', result: { runs } })
  }
}

/** Node verifies the ledger, which has so many records at least. */
export async function expectVerified(least: number): Promise<void> {
  const { ok, records } = JSON.parse(await run('modelward', 'ledger', 'verify', '--json')) as {
    readonly ok: boolean
    readonly records: number
  }
  expect(ok).toBe(true)
  expect(records).toBeGreaterThanOrEqual(least)
}
