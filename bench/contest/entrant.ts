import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { repositoryFolder } from '../repository-folder.ts'
import { findFreePort, type ServerProcess, startServerProcess } from '../server-process.ts'
import { type Contestant, createKey, mainOf } from './contestant.ts'
import { spinCore } from './spin-core.ts'
import { type LoadOptions, putLoad } from './wrk.ts'

/** A contestant that runs and has been seen to do what it is measured for. */
export interface Entrant {
  readonly contestant: Contestant
  readonly server: ServerProcess
  readonly load: Pick<LoadOptions, 'url' | 'header' | 'body' | 'headers'>
}

/** What it answers the request that it is measured with. */
export interface Answer {
  readonly content: unknown
  /** Without those that every server of Node writes by itself, JSON's type among them. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * What the load generator's core does between two answers: `blocking`, it goes idle, and waking it
 * takes long on a virtual machine, now more, now less; `spinning`, a process that yields to all
 * others keeps it awake.
 */
export type LoadMode = 'blocking' | 'spinning'

/** What one turn of load showed of one server. */
export interface Turn {
  readonly requestsPerSecond: number
  /** CPU time of the server's process per request, in microseconds. */
  readonly cpuPerRequest: number
  /** Latency in milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Memory of the server's process at the end of the turn. */
  readonly residentMiB: number
}

export interface TurnOptions {
  readonly seconds: number
  /** @default 64 */
  readonly connections?: number
  /** The core of the load generator. */
  readonly core: number | undefined
  /** Without a core of its own, the generator blocks. */
  readonly load: LoadMode
}

const connectionsUsual = 64
const body = JSON.stringify({ text: 'I love this great product' })
const startMsMax = 20_000
/** How long a line may take to reach the log. */
const logMsMax = 200

/** Starts a contestant on a port of its own and waits until it answers. */
export async function enter(
  contestant: Contestant,
  folder: string,
  core: number | undefined,
  headers: Answer['headers'] | undefined,
): Promise<Entrant> {
  const port = await findFreePort()
  // A data folder each: it has one server at a time.
  const data = join(folder, contestant.name)
  const { keyLimit = 'none', checkout = repositoryFolder } = contestant
  const key = createKey(data, keyLimit, mainOf(checkout), contestant.environment)
  const scope = contestant.asks?.scope
  const asking =
    scope === undefined ? key : createKey(data, 'none', mainOf(checkout), contestant.environment, scope)
  const server = startServerProcess({
    command: contestant.command({ port, data }),
    core,
    cwd: checkout,
    environment: {
      ...contestant.environment,
      BENCH_PORT: `${port}`,
      BENCH_DATA: data,
      BENCH_KEY: key,
      ...(headers && { BENCH_HEADERS: JSON.stringify(headers) }),
    },
    logFile: join(folder, `${contestant.name}.log`),
  })
  const { asks } = contestant
  const url = `http://127.0.0.1:${port}${asks?.path ?? '/predict'}`
  // Apps that ask for no key are sent one all the same, so that all read as many bytes.
  const header = contestant.keyHeader?.(asking) ?? { name: 'X-API-Key', value: asking }
  const load = { url, header, body: asks?.body(key) ?? body }
  const entrant = { contestant, server, load }
  const deadline = performance.now() + startMsMax
  while (!(await answers(entrant))) {
    if (!server.isRunning() || performance.now() > deadline)
      throw new Error(`${contestant.name} did not start:\n${server.readLog().slice(-2_000)}`)
    await delay(50)
  }
  return entrant
}

async function answers({ load }: Entrant): Promise<boolean> {
  try {
    await (await fetch(load.url)).arrayBuffer()
    return true
  } catch {
    return false
  }
}

/** Sends the request that it will be measured with, with the right key or with another. */
function send({ load }: Entrant, key = load.header.value): Promise<Response> {
  const headers = { 'content-type': 'application/json', [load.header.name]: key }
  return fetch(load.url, { method: 'POST', headers, body: load.body })
}

/** Headers that Node, or its framework for JSON, writes for every answer. */
const everywhere = ['connection', 'content-length', 'content-type', 'date', 'keep-alive']

export async function readAnswer(entrant: Entrant): Promise<Answer> {
  const response = await send(entrant)
  if (response.status !== 200)
    throw new Error(`${entrant.contestant.name}: expected 200, got ${response.status}`)
  const headers = [...response.headers].filter(([name]) => !everywhere.includes(name))
  return { content: await response.json(), headers: Object.fromEntries(headers) }
}

/**
 * Its answer. Throws unless it also refuses a wrong key, and logs requests if and only if it is
 * said to: a default that changes must not change what a row is about.
 */
export async function checkEntrant(entrant: Entrant): Promise<Answer> {
  const { contestant, server, load } = entrant
  const answer = await readAnswer(entrant)
  const { valid } = Object(answer.content)
  if (contestant.asks !== undefined && valid !== true)
    throw new Error(`${contestant.name}: expected a key that is valid`)
  if (contestant.keyHeader !== undefined) {
    const wrong = await send(
      entrant,
      load.header.value.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
    )
    await wrong.arrayBuffer()
    if (wrong.status !== 401 && wrong.status !== 403)
      throw new Error(`${contestant.name}: expected 401 or 403 for a wrong key, got ${wrong.status}`)
  }
  await delay(logMsMax)
  const hasLines = /"(?:request_id|reqId)"/.test(server.readLog())
  if (hasLines !== contestant.logsRequests)
    throw new Error(
      `${contestant.name}: expected ${contestant.logsRequests ? 'a' : 'no'} line in the log for a request`,
    )
  return answer
}

/**
 * One turn of load; undefined, so that it counts for nothing, unless every answer was a success.
 */
export async function takeTurn(
  { server, load }: Pick<Entrant, 'server' | 'load'>,
  options: TurnOptions,
): Promise<Turn | undefined> {
  const { seconds, core, connections = connectionsUsual } = options
  const stopSpinning = options.load === 'spinning' && core !== undefined ? spinCore(core) : undefined
  const before = server.cpuTime()
  const outcome = await putLoad({ ...load, seconds, core, connections }).finally(stopSpinning)
  const used = server.cpuTime() - before
  const residentMiB = server.residentMiB()
  server.emptyLog()
  const { requests, microseconds, refused, broken, p50, p99 } = outcome
  if (refused > 0 || broken > 0 || requests === 0) return undefined
  return {
    requestsPerSecond: (requests / microseconds) * 1e6,
    cpuPerRequest: used / requests,
    p50: p50 / 1_000,
    p99: p99 / 1_000,
    residentMiB,
  }
}
