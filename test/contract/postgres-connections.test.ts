import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../src/storage/postgres/open-database.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { openPostgresJobs } from '../support/postgres-jobs.ts'
import { openTestSchema, unhurried } from '../support/services.ts'
import { askOf, claim, jobBegin, jobOf, leaseMs, submit } from './job-fixtures.ts'
import { digestOf, idOf, keyOf, peppers } from './key-fixtures.ts'
import { openPostgresKeys } from './postgres-keys.ts'

test('while calls of jobs have all connections that jobs may have, changes of keys are read', async () => {
  const schema = await openTestSchema()
  onTestFinished(schema.drop)
  const database = await openDatabase(
    { databaseUrl: schema.url },
    { peppers, signingKeys: undefined, ledger: 'none', jobs: true, create: true },
  )
  onTestFinished(database.close)
  const { jobs, keys } = database
  if (jobs === undefined) throw new Error('it was opened with jobs')
  await submit(jobs, jobOf(1))
  const other = await openPostgres({
    ...unhurried,
    url: schema.url,
    fault: 'store_unavailable',
    silenceMs: 60_000,
  })
  onTestFinished(other.close)
  await other.transaction(async (query) => {
    await query(`SELECT FROM ${other.schema}.totals FOR UPDATE`)
    let isDone = false
    // Each waits for the lock on a connection of its own, again and again.
    const claimers = Array.from({ length: 40 }, async () => {
      while (!isDone) await jobs.claim(askOf()).catch(() => undefined)
    })
    try {
      for (let reads = 0; reads < 50; reads += 1)
        expect(await keys.readChanges(undefined)).toMatchObject({ hasKeys: false })
    } finally {
      isDone = true
      await Promise.all(claimers)
    }
  })
})

test('a node that is frozen while it is sent what it has claimed keeps no other from claiming', async () => {
  const { stores, postgres, url } = await openPostgresJobs()
  const [store] = stores
  const inputs = JSON.stringify(['x'.repeat(60_000)])
  for (let first = 0; first < 300; first += 30)
    await submit(store, ...Array.from({ length: 30 }, (_, number) => jobOf(first + number, { inputs })))
  // A node's connection, as it is once nothing reads from it: more is sent than the way holds.
  const frozen = new pg.Client({ connectionString: new URL(url).href })
  onTestFinished(() => void frozen.connection.stream.destroy())
  frozen.on('error', () => {})
  await frozen.connect()
  const claimed = frozen.query(
    `SELECT * FROM ${postgres.schema}.claim_jobs(256, 33554432, $1::text[], $2::bigint, $3::bigint, 'frozen', true)`,
    [['sentiment'], jobBegin, jobBegin + leaseMs],
  )
  claimed.catch(() => {})
  frozen.connection.stream.pause()
  await expect
    .poll(() =>
      postgres.query(
        "SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%claim_jobs%'",
      ),
    )
    .toHaveLength(1)
  const claimAgain = () =>
    claim(store, { max: 1 }).then(
      ({ length }) => length,
      () => 0,
    )
  await expect.poll(claimAgain, { timeout: 20_000 }).toBe(1)
})

test('thousands of keys that do not exist are looked for on a connection or two, and a damaged one is its own trouble', async () => {
  const schema = await openTestSchema()
  onTestFinished(schema.drop)
  const { store, close } = await openPostgresKeys(schema.url)
  onTestFinished(close)
  const [whole, damaged] = [keyOf(idOf(1)), keyOf(idOf(2))]
  await store.addKeys([whole, damaged], undefined)
  const other = await openPostgres({
    ...unhurried,
    url: schema.url,
    fault: 'store_unavailable',
    silenceMs: 60_000,
  })
  onTestFinished(other.close)
  await other.query(`UPDATE ${other.schema}.keys SET name = 'changed' WHERE id = $1`, [damaged.id])
  await other.transaction(async (query) => {
    await query(`LOCK TABLE ${other.schema}.keys, ${other.schema}.imported_digests IN ACCESS EXCLUSIVE MODE`)
    const strangers = Array.from({ length: 3_000 }, (_, number) => store.findKey(`stranger${number}`))
    const imported = Array.from({ length: 3_000 }, (_, number) =>
      store.findImportedKey([digestOf(`${number}`)]),
    )
    const all = Promise.allSettled([...strangers, ...imported])
    // What needs no key has a connection.
    for (let settings = 0; settings < 50; settings += 1)
      expect(await store.findSetting('none')).toBeUndefined()
    void all
  })
  const found = await Promise.allSettled([
    store.findKey(whole.id),
    store.findKey(damaged.id),
    store.findKey('none'),
    store.findKey(whole.id),
  ])
  expect(found.map((each) => (each.status === 'fulfilled' ? each.value?.id : each.reason.code))).toEqual([
    whole.id,
    'store_unavailable',
    undefined,
    whole.id,
  ])
})
