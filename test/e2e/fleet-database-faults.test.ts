import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillDisk, mountSmallDisk } from '../contract/small-disk.ts'
import { type DatabaseProxy, openDatabaseProxy } from '../support/database-proxy.ts'
import { type OwnService, startPostgres } from '../support/services.ts'
import { ask, healthStatus, readyStatus, runSql, until } from './ask-node.ts'
import { openTestFleet, type TestFleet } from './open-fleet.ts'
import { runError, type ServeProcess } from './run-cli.ts'

/** Where the tables are, of which a test fills the disk. */
const folder = mkdtempSync(join(tmpdir(), 'modelward-small-'))
let hasSmallDisk = false
let unmount = (): void => {}
let postgres: OwnService
let proxy: DatabaseProxy
let fleet: TestFleet
/** Records before it answers, the other after. */
let node: ServeProcess
let later: ServeProcess
let key = ''

beforeAll(async () => {
  postgres = await startPostgres({ max_connections: '60', superuser_reserved_connections: '0' })
  hasSmallDisk = mountSmallDisk(folder, 24, (done) => {
    unmount = done
  })
  const { uid, gid } = statSync(`/proc/${postgres.pid()}`)
  chownSync(folder, uid, gid)
  await runSql(
    postgres.url,
    `CREATE TABLESPACE small LOCATION '${folder}'`,
    "ALTER SYSTEM SET default_tablespace = 'small'",
    'SELECT pg_reload_conf()',
  )
  proxy = await openDatabaseProxy(postgres.url)
  fleet = await openTestFleet({ databaseUrl: proxy.url })
  node = await fleet.start('--limit-default', 'none')
  later = await fleet.start('--limit-default', 'none', '--ledger-mode', 'after')
  key = (await fleet.createKey()).key
})
afterAll(async () => {
  for (const opened of [node, later, fleet, proxy, postgres]) await opened?.[Symbol.asyncDispose]()
  unmount()
  rmSync(folder, { recursive: true, force: true })
})

interface Outage {
  readonly begin: () => Promise<unknown>
  readonly end: () => Promise<unknown>
}

/** Takes every connection that the server has, and ends those of others. */
function takeConnections(): Outage {
  const taken: pg.Client[] = []
  return {
    async begin() {
      const first = new pg.Client({ connectionString: postgres.url })
      await first.connect()
      taken.push(first.on('error', () => {}))
      // They connect again all the time: until none of theirs is left.
      for (let left = 1; left > 0; ) {
        await first.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'taken' AND pid <> pg_backend_pid()",
        )
        for (;;) {
          const client = new pg.Client({ connectionString: postgres.url, application_name: 'taken' })
          client.on('error', () => {})
          const isFull = await client.connect().then(
            () => false,
            () => true,
          )
          if (isFull) break
          taken.push(client)
        }
        const { rows } = await first.query(
          "SELECT count(*)::int AS left FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'taken' AND pid <> pg_backend_pid()",
        )
        left = rows[0].left
      }
    },
    end: () => Promise.all(taken.map((client) => client.end())),
  }
}

const whole = join(folder, 'filler')

describe('PostgreSQL', () => {
  test.for<readonly [string, () => Outage]>([
    [
      'read-only',
      () => ({
        // The sessions that there are take it over, too.
        begin: () =>
          runSql(
            postgres.url,
            'ALTER SYSTEM SET default_transaction_read_only = on',
            'SELECT pg_reload_conf()',
          ),
        end: () =>
          runSql(
            postgres.url,
            'SET default_transaction_read_only = off',
            'ALTER SYSTEM RESET default_transaction_read_only',
            'SELECT pg_reload_conf()',
          ),
      }),
    ],
    ['out of connections', takeConnections],
    [
      'with a full disk',
      () => ({ begin: async () => fillDisk(whole), end: async () => rmSync(whole, { force: true }) }),
    ],
    ['cut off without a word', () => ({ begin: async () => proxy.freeze(), end: async () => proxy.thaw() })],
  ])(
    '%s: 503 ledger_unavailable and no answer of the model, and by itself it ends',
    async ([what, outage], context) => {
      if (what === 'with a full disk' && !hasSmallDisk)
        return context.skip('mounting a small disk takes root')
      await until(node, key, { status: 200 })
      const { begin, end } = outage()
      try {
        // It is asked meanwhile: to begin may take longer than the lease of the keys, after which
        // they are what is refused for. What there is room for on a page that is there is still
        // recorded.
        await Promise.all([begin(), until(node, key, { status: 503, code: 'ledger_unavailable' })])
        const next = await ask(node, key)
        expect(next).toMatchObject({ status: 503 })
        expect(next.ms).toBeLessThan(4_000)
        expect(await healthStatus(node)).toBe(200)
        await expect.poll(() => readyStatus(node)).toBe(503)
      } finally {
        await end()
      }
      await until(node, key, { status: 200 })
      await expect.poll(() => readyStatus(node)).toBe(200)
      expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
    },
  )

  test('cut off without a word: with --ledger-mode after a key is admitted no longer than the lease, then 503 store_unavailable', async () => {
    await until(later, key, { status: 200 })
    const begin = performance.now()
    proxy.freeze()
    let lastAdmitted = begin
    try {
      for (let status = 200; status === 200; ) {
        const answer = await ask(later, key)
        status = answer.status
        if (status === 200) lastAdmitted = performance.now()
        else expect(answer).toMatchObject({ status: 503, code: 'store_unavailable' })
      }
      expect(lastAdmitted).toBeGreaterThan(begin)
      // The lease, and what a busy machine adds.
      expect(lastAdmitted - begin).toBeLessThan(8_000)
    } finally {
      proxy.thaw()
    }
    await until(later, key, { status: 200 })
  })

  test('with a newer schema: nodes that run go on, and a start is refused with data_newer until it can be read', async () => {
    const table = 'modelward.schema_version'
    await runSql(postgres.url, `UPDATE ${table} SET version = 99, reads_from = 99`)
    try {
      await until(node, key, { status: 200 })
      const { code, error } = await runError(['serve', '--port', '0'], { env: fleet.env })
      expect({ code, error: error.code }).toEqual({ code: 3, error: 'data_newer' })
      await runSql(postgres.url, `UPDATE ${table} SET reads_from = 1`)
      await using beside = await fleet.start()
      expect(await ask(beside, key)).toMatchObject({ status: 200 })
    } finally {
      await runSql(postgres.url, `UPDATE ${table} SET version = 3, reads_from = 1`)
    }
  })
})
