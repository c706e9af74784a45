import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'

type ServiceName = 'postgres' | 'redis' | 'valkey' | 'sentinel' | 'pgbouncer'

/** How a service of one's own is started. */
export interface OwnOptions {
  /** Of its configuration, by its own names. */
  readonly settings?: Readonly<Record<string, string>>
  /** More of its environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Speaks TLS, as `localhost` and with no other. PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

interface Answer {
  readonly id: number
  readonly url: string
  readonly pid: number
  readonly program: string
}

/** A PostgreSQL or a Redis of a test's own, to kill and to freeze. Ends with `dispose`. */
export interface OwnService extends AsyncDisposable {
  readonly url: string
  readonly pid: () => number
  /** SIGKILL of all of its processes. Its files stay for `start`. */
  readonly kill: () => void
  /** SIGSTOP, with all of its processes: connections stay and nothing answers. */
  readonly freeze: () => void
  readonly thaw: () => void
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** An empty deployment of a test's own, on the PostgreSQL that the tests share. */
export interface TestSchema {
  /** Names the schema: `postgres://…?schema=…`. */
  readonly url: string
  readonly schema: string
  readonly drop: () => Promise<void>
}

/**
 * For `openPostgres` and the like: what the server answers is tested, and not how soon it does on a
 * busy machine.
 */
export const unhurried = { queryTimeoutMs: 30_000, connectTimeoutMs: 30_000 } as const

let lastSchema = 0

/** A schema with all tables. */
export async function openTestSchema(): Promise<TestSchema> {
  const test = await nameTestSchema()
  await prepareSchema(test.url)
  return test
}

/** The name of a schema that does not exist yet. */
export async function nameTestSchema(): Promise<TestSchema> {
  const server = await databaseUrl()
  lastSchema += 1
  const schema = `test_${process.pid}_${lastSchema}_${randomBytes(3).toString('hex')}`
  const url = new URL(server)
  url.searchParams.set('schema', schema)
  return {
    url: url.href,
    schema,
    async drop() {
      const client = new pg.Client({ connectionString: server })
      await client.connect()
      await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await client.end()
    },
  }
}

/**
 * A port that nothing listens on just now: below the ephemeral range, so that no connection of
 * another test takes it before it is listened on.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** The PostgreSQL that the tests share, as its owner. */
export function databaseUrl(): Promise<string> {
  return urlOf('postgres')
}

/** The Redis that the tests share: name keys of your own in it. */
export function redisUrl(): Promise<string> {
  return urlOf('redis')
}

/** The same of Valkey. */
export function valkeyUrl(): Promise<string> {
  return urlOf('valkey')
}

export function startPostgres(
  settings: OwnOptions['settings'] = {},
  options: OwnOptions = {},
): Promise<OwnService> {
  return startOwn('postgres', { ...options, settings })
}

export function startRedis(
  settings: OwnOptions['settings'] = {},
  options: OwnOptions = {},
): Promise<OwnService> {
  return startOwn('redis', { ...options, settings })
}

/**
 * A service that belongs to another: a streaming standby of a PostgreSQL, a replica of a Redis or a
 * sentinel that knows it as `main`, or a PgBouncer in transaction mode before a PostgreSQL. It has
 * the password of that one.
 */
export function startBeside(
  service: ServiceName,
  of: string,
  settings: OwnOptions['settings'] = {},
): Promise<OwnService> {
  return startOwn(service, { settings, of })
}

/** A program that a test starts itself. `python` has what the page python.md imports. */
export type InstalledProgram = 'nginx' | 'caddy' | 'prometheus' | 'python' | 'redis' | 'faketime'

/**
 * The path of such a program, installed where it was missing; undefined, with the reason on
 * standard error, where it cannot be. Called before tests are collected, they are skipped by their
 * names.
 */
export async function lookForProgram(service: InstalledProgram): Promise<string | undefined> {
  try {
    return await findProgram(service)
  } catch (error) {
    process.stderr.write(`tests that need ${service} are skipped: ${(error as Error).message}\n`)
    return undefined
  }
}

/** The path of a program that a test starts itself, installed where it was missing. */
export async function findProgram(service: InstalledProgram): Promise<string> {
  const services = await askServices()
  const { program } = await services.ask({ do: 'find', service })
  services.connection.destroy()
  return program
}

async function urlOf(service: ServiceName): Promise<string> {
  const services = await askServices()
  const { url } = await services.ask({ do: 'share', service })
  services.connection.destroy()
  return url
}

async function startOwn(
  service: ServiceName,
  options: OwnOptions & { readonly of?: string },
): Promise<OwnService> {
  const { connection, ask } = await askServices()
  const { id, url, pid: first } = await ask({ do: 'own', service, ...options })
  let pid = first
  return {
    url,
    pid: () => pid,
    kill: () => signal([pid, ...childrenOf(pid)], 'SIGKILL'),
    freeze: () => signal([pid, ...childrenOf(pid)], 'SIGSTOP'),
    thaw: () => signal([...childrenOf(pid), pid], 'SIGCONT'),
    async start() {
      pid = (await ask({ do: 'start', id })).pid
    },
    async stop() {
      await ask({ do: 'stop', id })
    },
    async [Symbol.asyncDispose]() {
      signal([...childrenOf(pid), pid], 'SIGCONT')
      await ask({ do: 'stop', id })
      connection.destroy()
    },
  }
}

/** A connection to `scripts/services.mjs`; one request at a time. */
async function askServices(): Promise<{
  readonly connection: Socket
  readonly ask: (request: object) => Promise<Answer>
}> {
  const connection = connect(await findServices())
  await once(connection, 'connect')
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]()
  return {
    connection,
    async ask(request) {
      connection.write(`${JSON.stringify(request)}\n`)
      const { value, done } = await lines.next()
      if (done === true) throw new Error('services: the connection was closed')
      const answer = JSON.parse(value) as Answer & { readonly error?: string }
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer
    },
  }
}

let program: string | undefined

/** For a program that is no test: the socket of the services that it has started. */
export function useServices(socket: string): void {
  program = socket
}

async function findServices(): Promise<string> {
  return program ?? (await import('vitest')).inject('services')
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** The processes that a process has started, from `/proc`. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => parentOf(other) === pid)
}

function parentOf(pid: number): number | undefined {
  try {
    // Behind the command's name in parentheses: state and parent.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}
