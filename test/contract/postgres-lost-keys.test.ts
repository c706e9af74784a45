import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { processScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import { openPostgres, type Postgres } from '../../src/storage/postgres/postgres.ts'
import { collectEvents } from '../support/collect-events.ts'
import { openTestSchema, type TestSchema, unhurried } from '../support/services.ts'
import { digestOf, idOf, keyOf, ownerOf } from './key-fixtures.ts'
import { emptyKeys, type OpenedPostgresKeys, openPostgresKeys } from './postgres-keys.ts'

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

async function open(
  options: Parameters<typeof openPostgresKeys>[1] = {},
): Promise<OpenedPostgresKeys['store']> {
  const { store, close } = await openPostgresKeys(deployment.url, options)
  onTestFinished(close)
  return store
}

test('a row that is put back or taken away is found by nodes that run: 503 until it is mended', async () => {
  const looks = holdLooks()
  const { telemetry, names } = collectEvents()
  const store = await open({ scheduler: looks.scheduler, telemetry })
  await store.addKeys([keyOf(idOf(1), { owner: 'acme' }), keyOf(idOf(2))])
  const active = await rowsOf('keys')
  await store.replaceKey(keyOf(idOf(1), { owner: 'acme', version: 2, revokedAt: 5 }))
  await store.replaceOwner(ownerOf('acme', { limits: ['1/day'] }))
  const [revoked, limited] = [await rowsOf('keys'), await rowsOf('owners')]
  await looks.next()
  expect((await store.findKey(idOf(1)))?.revokedAt).toBe(5)
  for (const [table, before, after] of [
    ['keys', active, revoked],
    ['keys', '[]', revoked],
    // Beyond what a number can say, so that no look would come to its end.
    ['keys', revoked.replace(/"change":\s*\d+/, `"change":${2n ** 62n}`), revoked],
    ['owners', '[]', limited],
  ] as const) {
    await putBack(table, before)
    await looks.next()
    const lost = {
      code: 'store_unavailable',
      message: expect.stringContaining('changes sum does not fit: rows of keys are missing'),
    }
    await expect(store.readChanges(undefined)).rejects.toMatchObject(lost)
    await expect(store.findKey(idOf(1))).rejects.toMatchObject(lost)
    await expect(store.findOwner('acme')).rejects.toMatchObject(lost)
    await expect(store.findImportedKey([digestOf('a')])).rejects.toMatchObject(lost)
    expect(store.hasDamage()).toBe(true)
    await putBack(table, after)
    await looks.next()
    expect((await store.findKey(idOf(1)))?.revokedAt).toBe(5)
    expect(store.hasDamage()).toBe(false)
  }
  expect(names).toEqual(Array(4).fill('keys.row_damaged'))
})

test('a key of a later change does not make up, beside a counter of before, for a revocation', async () => {
  const store = await open()
  await store.addKeys([keyOf(idOf(1)), keyOf(idOf(2))])
  const before = await rowsOf('keys')
  await store.replaceKey(keyOf(idOf(2), { version: 2 }))
  await store.replaceKey(keyOf(idOf(1), { version: 2, revokedAt: 5 }))
  const counter = await rowsOf('changes')
  for (let version = 3; version < 5; version += 1) await store.replaceKey(keyOf(idOf(2), { version }))
  // 4 and 3 are the counter's sum, and so are 1 and 6.
  const { query, schema } = postgres
  await query(`DELETE FROM ${schema}.keys WHERE id = $1`, [idOf(1)])
  await query(
    `INSERT INTO ${schema}.keys SELECT * FROM json_populate_recordset(NULL::${schema}.keys, $1) WHERE change = 1`,
    [before],
  )
  await putBack('changes', counter)
  await expect(open()).rejects.toMatchObject({ code: 'data_corrupt' })
})

/** A scheduler of which a test runs the looks for lost rows, and nothing else. */
function holdLooks(): { readonly scheduler: Scheduler; readonly next: () => Promise<void> } {
  let begin = (): void => {}
  let hasEnded = (): void => {}
  return {
    scheduler: {
      ...processScheduler,
      after(ms, run) {
        if (ms >= 10_000) {
          begin = run
          hasEnded()
        }
        return () => {}
      },
    },
    next: () =>
      new Promise((resolve) => {
        hasEnded = resolve
        begin()
      }),
  }
}

/** All rows of a table, as JSON. */
async function rowsOf(table: string): Promise<string> {
  const [all] = await postgres.query<{ readonly rows: string }>(
    `SELECT json_agg(t)::text AS rows FROM ${postgres.schema}.${table} AS t`,
  )
  return all?.rows ?? ''
}

async function putBack(table: string, rows: string): Promise<void> {
  const name = `${postgres.schema}.${table}`
  await postgres.query(`DELETE FROM ${name}`)
  await postgres.query(`INSERT INTO ${name} SELECT * FROM json_populate_recordset(NULL::${name}, $1)`, [rows])
}
