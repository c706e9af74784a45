import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  databaseUrl,
  nameTestSchema,
  openTestSchema,
  startBeside,
  startPostgres,
  type TestSchema,
  unhurried,
} from '../../../test/support/services.ts'
import { openPostgres, type Postgres, type PostgresOptions } from './postgres.ts'
import { prepareSchema } from './schema.ts'

let deployment: TestSchema
beforeAll(async () => {
  deployment = await openTestSchema()
})
afterAll(() => deployment.drop())

async function open(url: string, options: Partial<PostgresOptions> = {}): Promise<Postgres> {
  const postgres = await openPostgres({ ...unhurried, url, fault: 'store_unavailable', ...options })
  onTestFinished(() => postgres.close())
  return postgres
}

/** A connection of the driver's own. */
async function connect(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

async function sleepers(client: pg.Client): Promise<number> {
  const { rows } = await client.query(
    `SELECT count(*)::int AS number FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
  )
  return (rows[0] as { readonly number: number }).number
}

const unavailable = { name: 'Fault', code: 'store_unavailable' }

describe('PostgreSQL', () => {
  test('gives whole numbers for bigint, and a fault for one that is no safe integer', async () => {
    const postgres = await open(deployment.url)
    expect(await postgres.query('SELECT 9007199254740991::bigint AS number')).toEqual([
      { number: 2 ** 53 - 1 },
    ])
    await expect(postgres.query('SELECT 9007199254740992::bigint AS number')).rejects.toMatchObject(
      unavailable,
    )
    expect(await postgres.query('SELECT 1 AS number')).toEqual([{ number: 1 }])
  })

  test('rolls a transaction back that rejects, and uses the connection again', async () => {
    const postgres = await open(deployment.url, { connectionsMax: 1 })
    const failed = postgres.transaction(async (query) => {
      await query(`CREATE TABLE ${postgres.schema}.gone (id int)`)
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    expect(await postgres.query('SELECT to_regclass($1) AS found', [`${postgres.schema}.gone`])).toEqual([
      { found: null },
    ])
    await expect(postgres.transaction((query) => query('SELECT no'))).rejects.toMatchObject(unavailable)
    expect(await postgres.query('SELECT 1 AS number')).toEqual([{ number: 1 }])
  })

  test('a transaction whose process says no more is ended by the server, and its locks with it', async () => {
    const frozen = await open(deployment.url, { silenceMs: 2_000 })
    const postgres = await open(deployment.url)
    await postgres.query(`CREATE TABLE ${postgres.schema}.held (id int)`)
    await postgres.query(`INSERT INTO ${postgres.schema}.held VALUES (1)`)
    const begun = Promise.withResolvers<void>()
    const thaw = Promise.withResolvers<void>()
    const held = frozen.transaction(async (query) => {
      await query(`UPDATE ${postgres.schema}.held SET id = 2`)
      begun.resolve()
      await thaw.promise
      await query(`UPDATE ${postgres.schema}.held SET id = 3`)
    })
    await begun.promise
    await expect
      .poll(() => postgres.query(`SELECT id FROM ${postgres.schema}.held FOR UPDATE NOWAIT`).catch(() => []))
      .toEqual([{ id: 1 }])
    thaw.resolve()
    await expect(held).rejects.toMatchObject(unavailable)
    expect(await frozen.query('SELECT 1 AS number')).toEqual([{ number: 1 }])
  })

  test('says nothing of the values of a statement that failed', async () => {
    const postgres = await open(deployment.url)
    const fault: unknown = await postgres
      .query(`INSERT INTO ${postgres.schema}.schema_version VALUES ($1, 1, 1, $2)`, [
        1,
        '00000000-0000-0000-0000-00000000beef',
      ])
      .catch((error: unknown) => error)
    expect(fault).toMatchObject(unavailable)
    const { cause, message } = fault as Error
    expect(JSON.stringify([message, String(cause), cause, (cause as Error).stack])).not.toContain('beef')
  })

  test('is unavailable within its time while the server is frozen, and there again once it answers', async () => {
    await using server = await startPostgres()
    const postgres = await open(server.url, { queryTimeoutMs: 300, connectTimeoutMs: 1_000 })
    const ask = (): Promise<unknown> => postgres.query('SELECT 1 AS number').catch(() => 'out')
    await expect.poll(ask).toEqual([{ number: 1 }])
    server.freeze()
    await expect(postgres.query('SELECT 1')).rejects.toMatchObject(unavailable)
    await expect(postgres.transaction((query) => query('SELECT 1'))).rejects.toMatchObject(unavailable)
    server.thaw()
    await expect.poll(ask).toEqual([{ number: 1 }])
    server.freeze()
    await postgres.close()
    await expect(postgres.query('SELECT 1')).rejects.toMatchObject(unavailable)
  })

  describe('while its process is busy for longer than a statement may take', () => {
    const busy = { queryTimeoutMs: 300, connectTimeoutMs: 1_000 }

    /** Holds this thread up, with what was asked on its way. */
    async function holdUp(ms: number): Promise<void> {
      await new Promise(setImmediate)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    }

    test.each([
      ['a statement', (postgres: Postgres) => postgres.query('SELECT 1 AS number')],
      ['a transaction', (postgres: Postgres) => postgres.transaction((query) => query('SELECT 1 AS number'))],
    ])('%s whose answer has arrived is answered', async (_what, ask) => {
      const postgres = await open(deployment.url, { ...busy, connectionsMax: 1 })
      await expect.poll(() => ask(postgres).catch(() => 'out')).toEqual([{ number: 1 }])
      const asked = ask(postgres)
      await holdUp(700)
      expect(await asked).toEqual([{ number: 1 }])
    })

    test('a connection comes about, of which one answer of several has arrived', async () => {
      const postgres = await open(deployment.url, { queryTimeoutMs: 5_000, connectTimeoutMs: 4_000 })
      const asked = postgres.query('SELECT 1 AS number')
      await holdUp(5_000)
      expect(await asked).toEqual([{ number: 1 }])
    })
  })

  describe.each([
    ['alone', async () => undefined],
    ['behind PgBouncer in transaction mode', async () => startBeside('pgbouncer', await databaseUrl())],
  ])('%s', (_where, startPooler) => {
    test('the server ends what is given up: nothing waits there for a lock, and nothing is written late', async () => {
      const pooler = await startPooler()
      onTestFinished(async () => pooler?.[Symbol.asyncDispose]())
      const url = new URL(deployment.url)
      if (pooler !== undefined) url.host = new URL(pooler.url).host
      const postgres = await open(url.href, { queryTimeoutMs: 1_000 })
      const watching = await open(deployment.url, { silenceMs: 60_000 })
      const table = `${watching.schema}.locked_${pooler === undefined ? 'alone' : 'pooled'}`
      await watching.query(`CREATE TABLE ${table} (id int)`)
      const left = async (): Promise<number | undefined> => {
        const [row] = await watching.query<{ readonly left: number }>(
          `SELECT count(*) AS left FROM pg_locks WHERE relation = $1::regclass AND NOT granted`,
          [table],
        )
        return row?.left
      }
      // Connections first, so that what is asked below waits at the server, and for none of these.
      await Promise.allSettled(Array.from({ length: 10 }, () => postgres.query('SELECT 1')))
      await watching.transaction(async (query) => {
        await query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
        const asked = Promise.allSettled(
          Array.from({ length: 30 }, () => postgres.query(`INSERT INTO ${table} VALUES ($1)`, [1])),
        )
        await expect.poll(left, { timeout: 20_000 }).toBeGreaterThan(0)
        for (const { status } of await asked) expect(status).toBe('rejected')
        await expect(
          postgres.transaction(async (within) => {
            await within(`SET LOCAL lock_timeout = 0`)
            await within(`INSERT INTO ${table} VALUES (2)`)
          }),
        ).rejects.toMatchObject(unavailable)
        // While the lock is held: nothing else ends them.
        await expect.poll(left, { timeout: 20_000 }).toBe(0)
      })
      expect(await watching.query(`SELECT id FROM ${table}`)).toEqual([])
      // What was set for one statement is set for none behind it on the connection.
      const [shown] = await postgres.query<{ readonly name: string }>(
        `SELECT current_setting('statement_timeout') AS name`,
      )
      expect(shown?.name).toBe('900ms')
      url.search = ''
      await using plain = await connect(url.href)
      expect((await plain.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '0' }])
    })
  })

  test('ends what a frozen server was asked once it goes on, and not after the statement', async () => {
    await using server = await startPostgres()
    const postgres = await open(server.url, { queryTimeoutMs: 3_000 })
    await using watching = await connect(server.url)
    const asked = postgres.query('SELECT pg_sleep(100000)')
    const gone = expect(asked).rejects.toMatchObject(unavailable)
    await expect.poll(() => sleepers(watching)).toBe(1)
    server.freeze()
    await gone
    server.thaw()
    await expect.poll(() => sleepers(watching), { timeout: 20_000 }).toBe(0)
  })

  test.each([
    ['a statement', (postgres: Postgres) => postgres.query('SELECT 1')],
    ['a transaction', (postgres: Postgres) => postgres.transaction((query) => query('SELECT 1'))],
  ])('%s on a connection that the server ends as it comes about is unavailable', async (_what, ask) => {
    const welcome = ['R\0\0\0\x08\0\0\0\0', 'Z\0\0\0\x05I', 'E\0\0\0\x13SFATAL\0C57P01\0\0'].join('')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(welcome, 'latin1'))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const postgres = await open(`postgres://user@127.0.0.1:${port}/database`)
    await expect(ask(postgres)).rejects.toMatchObject(unavailable)
  })

  test('what finds no free connection in its time is no outage, and takes none from what asks later', async () => {
    const failures: unknown[] = []
    const postgres = await open(deployment.url, {
      ...{ connectionsMax: 1, connectTimeoutMs: 1_000 },
      report: { failed: (cause) => failures.push(cause), passed: () => {} },
    })
    // A connection first, which may take its time.
    await expect.poll(() => postgres.query('SELECT 1').catch(() => [])).toHaveLength(1)
    failures.length = 0
    await postgres.transaction(async (query) => {
      await query('SELECT 1')
      await expect(postgres.query('SELECT 1')).rejects.toMatchObject(unavailable)
    })
    expect(await postgres.query('SELECT 2 AS number')).toEqual([{ number: 2 }])
    expect(failures).toEqual([])
  })

  test('is unavailable after the server was killed, and there again once it is', async () => {
    await using server = await startPostgres()
    const postgres = await open(server.url)
    await postgres.query('SELECT 1')
    server.kill()
    await expect(postgres.query('SELECT 1')).rejects.toMatchObject(unavailable)
    await server.start()
    expect(await postgres.query('SELECT 2 AS number')).toEqual([{ number: 2 }])
  })
})

describe('the schema', () => {
  test('is created by one of many that come at once', async () => {
    const { url, drop } = await nameTestSchema()
    onTestFinished(drop)
    const prepared = await Promise.all(Array.from({ length: 8 }, () => prepareSchema(url)))
    expect(new Set(prepared.map(({ deployment }) => deployment)).size).toBe(1)
    expect(await prepareSchema(url)).toEqual(prepared[0])
  })

  test('that holds tables of others is refused and left as it is', async () => {
    const { url, schema, drop } = await nameTestSchema()
    onTestFinished(drop)
    const postgres = await open(url)
    await postgres.query(`CREATE SCHEMA ${schema}`)
    await postgres.query(`CREATE TABLE ${schema}.theirs (id int)`)
    await expect(prepareSchema(url)).rejects.toMatchObject({ name: 'SetupError', code: 'database_foreign' })
  })

  test('of an older version is brought up by one of many that come at once, and by none with `never`', async () => {
    const { url, schema, drop } = await openTestSchema()
    onTestFinished(drop)
    const postgres = await open(url)
    const version = async (): Promise<unknown> =>
      (await postgres.query(`SELECT version, reads_from FROM ${schema}.schema_version`))[0]
    const current = await version()
    const { deployment: before } = await prepareSchema(url)
    await postgres.query(`ALTER TABLE ${schema}.keys DROP COLUMN disabled_by`)
    await postgres.query(`ALTER TABLE ${schema}.stream DROP COLUMN is_left`)
    await postgres.query(`UPDATE ${schema}.schema_version SET version = 1, reads_from = 1`)
    await expect(prepareSchema(url, 'never')).rejects.toMatchObject({ code: 'data_missing' })
    expect(await version()).toEqual({ version: 1, reads_from: 1 })
    const prepared = await Promise.all(Array.from({ length: 8 }, () => prepareSchema(url)))
    expect(prepared.map(({ deployment }) => deployment)).toEqual(Array(8).fill(before))
    expect(await version()).toEqual(current)
    await postgres.query(`SELECT disabled_by, is_left FROM ${schema}.keys, ${schema}.stream`)
  })

  test('of a newer version is refused, unless it says that this one can read it', async () => {
    const { url, schema, drop } = await openTestSchema()
    onTestFinished(drop)
    const postgres = await open(url)
    await postgres.query(`UPDATE ${schema}.schema_version SET version = 99`)
    await expect(prepareSchema(url)).resolves.toMatchObject({})
    await postgres.query(`UPDATE ${schema}.schema_version SET reads_from = 99`)
    await expect(prepareSchema(url)).rejects.toMatchObject({ name: 'SetupError', code: 'data_newer' })
  })
})
