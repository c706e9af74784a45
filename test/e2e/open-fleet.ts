import { drawPepper } from '../../src/secrets/peppers.ts'
import { drawSigningKeyLine } from '../../src/secrets/signing-key.ts'
import { nameTestSchema, redisUrl, type TestSchema } from '../support/services.ts'
import { runJson, type ServeProcess, startServer } from './run-cli.ts'

/** An empty deployment on the PostgreSQL and the Redis of the tests. */
export interface TestFleet extends AsyncDisposable {
  /** What every node and every command is given. */
  readonly env: Readonly<Record<string, string>>
  readonly database: TestSchema
  /** Starts a node. */
  readonly start: (...args: readonly string[]) => Promise<ServeProcess>
  /** Runs a command with `--json`. */
  readonly run: <T>(...args: readonly string[]) => Promise<T>
  /** Makes a key; returns its id and text. */
  readonly createKey: (...args: readonly string[]) => Promise<{ readonly id: string; readonly key: string }>
}

export interface TestFleetOptions {
  /** In the place of the services that the tests share. */
  readonly databaseUrl?: string
  readonly redisUrl?: string
  /** Of what stands before the PostgreSQL that the tests share. */
  readonly through?: string
  /** More of the environment of each node and command. */
  readonly env?: Readonly<Record<string, string>>
}

export async function openTestFleet(options: TestFleetOptions = {}): Promise<TestFleet> {
  const database = await nameTestSchema()
  const env = {
    MODELWARD_DATABASE_URL: options.databaseUrl ?? throughUrl(database.url, options.through),
    MODELWARD_REDIS_URL: options.redisUrl ?? (await redisUrl()),
    MODELWARD_PEPPER: drawPepper(1),
    MODELWARD_SIGNING_KEY: drawSigningKeyLine(),
    ...options.env,
  }
  const run = <T>(...args: readonly string[]): Promise<T> => runJson<T>(args, { env })
  return {
    env,
    database,
    start: (...args) => startServer(args, { env }),
    run,
    createKey: (...args) => run('keys', 'create', '--name', 'test', ...args),
    async [Symbol.asyncDispose]() {
      await database.drop()
    },
  }
}

function throughUrl(url: string, through: string | undefined): string {
  const led = new URL(url)
  if (through !== undefined) led.host = new URL(through).host
  return led.href
}

/** Asks a node's model. */
export function predict(
  { address }: { readonly address: string },
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${address}/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key, ...headers },
    body: '{"text":"I love this product"}',
  })
}
