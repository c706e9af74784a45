import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openPostgres, type Postgres } from '../../src/storage/postgres/postgres.ts'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { runSql } from '../e2e/ask-node.ts'
import { collectEvents } from '../support/collect-events.ts'
import { openDatabaseProxy } from '../support/database-proxy.ts'
import { openTestSchema, startPostgres, type TestSchema, unhurried } from '../support/services.ts'
import { createTestTime, type TestTime } from '../support/test-time.ts'
import { idOf, keyOf } from './key-fixtures.ts'
import { emptyKeys, openPostgresKeys } from './postgres-keys.ts'

let deployment: TestSchema
let postgres: Postgres
beforeAll(async () => {
  deployment = await openTestSchema()
  postgres = await openPostgres({ ...unhurried, url: deployment.url, fault: 'store_unavailable' })
})
afterAll(async () => {
  await postgres.close()
  await deployment.drop()
})
beforeEach(() => emptyKeys(postgres))

async function open(url: string, options: Parameters<typeof openPostgresKeys>[1] = {}) {
  const { store, close } = await openPostgresKeys(url, options)
  onTestFinished(close)
  return store
}

/** Counts what a store tells, and waits for the next. */
function listenTo(store: Awaited<ReturnType<typeof open>>) {
  let count = 0
  let next = Promise.withResolvers<void>()
  const stop = store.onChange(() => {
    count += 1
    next.resolve()
    next = Promise.withResolvers()
  })
  return { stop, count: () => count, next: () => next.promise }
}

/**
 * Lets time pass for the store alone, until it has reported this: in the time of each question to
 * the server 50 ms, however busy that is.
 */
async function passUntil(time: TestTime, names: readonly string[], name: string): Promise<void> {
  while (!names.includes(name)) {
    await postgres.query('SELECT 1')
    await time.pass(50)
  }
}

/** Waits until the store listens: a new connection tells once. */
async function untilItHears(
  store: Awaited<ReturnType<typeof open>>,
  next: () => Promise<void>,
): Promise<void> {
  const told = next()
  await Promise.race([told, store.readChanges(undefined).then(() => told)])
}

describe('what changes keys', () => {
  test('is told to every node at once, without a poll: each change, and no use or refusal', async () => {
    const time = createTestTime()
    const one = await open(deployment.url)
    const two = await open(deployment.url, { scheduler: time.scheduler })
    const { next, count, stop } = listenTo(two)
    await untilItHears(two, next)
    const before = count()
    const told = next()
    await one.addKeys([keyOf(idOf(1)), keyOf(idOf(2))])
    await told
    const again = next()
    await one.noteUses([{ keyId: idOf(1), at: 1 }])
    await one.addKeys([keyOf(idOf(1))])
    await one.replaceKey(keyOf(idOf(1), { version: 2 }))
    await again
    expect(count()).toBe(before + 2)
    stop()
    await one.replaceKey(keyOf(idOf(1), { version: 3 }))
    expect((await two.findKey(idOf(1)))?.version).toBe(3)
    expect(count()).toBe(before + 2)
  })

  test('is told again once a connection that was cut is back; until then the node asks every 200 ms', async () => {
    const time = createTestTime()
    const { telemetry, names, until } = collectEvents()
    const one = await open(deployment.url)
    const two = await open(deployment.url, { scheduler: time.scheduler, telemetry })
    const { next, count } = listenTo(two)
    await untilItHears(two, next)
    await cutListener()
    await until('keys.changes_not_heard')
    const before = count()
    await time.pass(40)
    expect(count()).toBe(before)
    await passUntil(time, names, 'keys.changes_heard')
    const told = next()
    await one.addKeys([keyOf(idOf(1))])
    await told
    expect(names).toEqual(['keys.changes_not_heard', 'keys.changes_heard'])
  })

  test.each(['notifications', 'backend'] as const)(
    'is asked for every 200 ms behind a pooler that loses the %s, which is said once',
    async (loses) => {
      await using pooler = await openDatabaseProxy(deployment.url, { loses })
      const time = createTestTime()
      const { telemetry, names } = collectEvents()
      const store = await open(pooler.url, { scheduler: time.scheduler, telemetry })
      await passUntil(time, names, 'keys.changes_not_heard')
      const { count, stop } = listenTo(store)
      await time.pass(1_000)
      expect(count()).toBe(5)
      for (let tries = 0; tries < 3; tries += 1) await time.pass(61_000)
      stop()
      expect(names).toEqual(['keys.changes_not_heard'])
      if (loses === 'backend') expect(await listening(), 'what would outlive it in a pool').toBe(0)
    },
  )

  test('is told again after the server was killed', async () => {
    await using server = await startPostgres()
    const url = await prepare(server.url)
    const { telemetry, until } = collectEvents()
    const one = await open(url)
    const two = await open(url, { telemetry })
    server.kill()
    await until('keys.changes_not_heard')
    await server.start()
    await until('keys.changes_heard')
    const { next } = listenTo(two)
    const told = next()
    await one.addKeys([keyOf(idOf(1))])
    await told
    expect(await two.findKey(idOf(1))).toBeDefined()
  })

  test('a store closes while its server is frozen, and while it connects', async () => {
    await using proxy = await openDatabaseProxy(deployment.url)
    const first = await openPostgresKeys(proxy.url)
    proxy.freeze()
    await first.close()
    proxy.thaw()
    const second = await openPostgresKeys(proxy.url)
    await second.close()
  })
})

/** SQL: what connections ask last that listen to the schema of the parameter. */
const listen = "'LISTEN modelward_keys_' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 32)"

async function listening(): Promise<number> {
  const [row] = await postgres.query<{ readonly count: number }>(
    `SELECT count(*) AS count FROM pg_stat_activity WHERE query = ${listen}`,
    [postgres.schema],
  )
  return row?.count ?? Number.NaN
}

/** Ends the connections that listen to the test's schema. */
async function cutListener(): Promise<void> {
  await postgres.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = ${listen}`, [
    postgres.schema,
  ])
}

describe('a server that only reads', () => {
  test('tells no changes and takes none', async () => {
    await using server = await startPostgres()
    const url = await prepare(server.url)
    const store = await open(url)
    await store.addKeys([keyOf(idOf(1))])
    const { cursor } = await store.readChanges(undefined)
    await runSql(server.url, 'ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()')
    let isReadOnly = false
    while (!isReadOnly)
      isReadOnly = await store.readChanges(cursor).then(
        () => false,
        (fault) => {
          expect(fault).toMatchObject({ code: 'store_unavailable' })
          return true
        },
      )
  })

  test('gives no key where it is a standby, whatever it knows', async () => {
    await using server = await startPostgres()
    const url = await prepare(server.url)
    const store = await open(url)
    await store.addKeys([keyOf(idOf(1), { imported: true })])
    const { cursor } = await store.readChanges(undefined)
    const admin = await openPostgres({ url, fault: 'store_unavailable' })
    onTestFinished(admin.close)
    const [folder] = await admin.query<{ readonly data_directory: string }>('SHOW data_directory')
    server.kill()
    writeFileSync(`${folder?.data_directory}/standby.signal`, '', { mode: 0o644 })
    await server.start()
    const unavailable = { code: 'store_unavailable' }
    await expect(store.readChanges(cursor)).rejects.toMatchObject(unavailable)
    await expect(store.findKey(idOf(1))).rejects.toMatchObject(unavailable)
    await expect(store.findKey(idOf(2))).rejects.toMatchObject(unavailable)
    await expect(store.findOwner('a')).rejects.toMatchObject(unavailable)
    await expect(store.findImportedKey([new Uint8Array(32)])).rejects.toMatchObject(unavailable)
    await expect(store.addKeys([keyOf(idOf(2))])).rejects.toMatchObject(unavailable)
  })

  test('gives no key and no change where a revoked key and the counter were put back; nodes that start then take them', async () => {
    const store = await open(deployment.url)
    await store.addKeys([keyOf(idOf(1))])
    const before = await readState()
    await store.replaceKey(keyOf(idOf(1), { version: 2, revokedAt: 5 }))
    const { cursor } = await store.readChanges(undefined)
    const after = await readState()
    await writeState(before)
    const behind = { code: 'store_unavailable', message: expect.stringContaining('set back from 2 to 1') }
    for (const since of [cursor, cursor, undefined])
      await expect(store.readChanges(since)).rejects.toMatchObject(behind)
    await expect(store.findKey(idOf(1))).rejects.toMatchObject({ code: 'store_unavailable' })
    // As after a backup was restored on purpose.
    expect((await (await open(deployment.url)).findKey(idOf(1)))?.revokedAt).toBeNull()
    // Numbers that this process has seen may be of other changes by then.
    await writeState(after)
    await store.readChanges(undefined)
    expect((await store.readChanges(cursor)).keyIds).toBe('all')
    expect((await store.readChanges(cursor)).keyIds).toEqual([])
    expect(await store.findKey(idOf(1))).toMatchObject({ revokedAt: 5 })
  })
})

async function prepare(server: string): Promise<string> {
  const url = `${server}?schema=own`
  await prepareSchema(url)
  return url
}

const stateTables = ['keys', 'changes']

/** The rows of keys and of the counter, as JSON. */
function readState(): Promise<readonly unknown[]> {
  const { schema, query } = postgres
  const read = async (table: string): Promise<unknown> =>
    (await query<{ row: string }>(`SELECT json_agg(t)::text AS row FROM ${schema}.${table} AS t`))[0]?.row
  return Promise.all(stateTables.map(read))
}

/** Puts rows back as one who can write the database can. */
async function writeState(rows: readonly unknown[]): Promise<void> {
  const { schema, transaction } = postgres
  await transaction(async (query) => {
    for (const [at, table] of stateTables.map((name) => `${schema}.${name}`).entries()) {
      await query(`DELETE FROM ${table}`)
      await query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
        rows[at],
      ])
    }
  })
}
