import { expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../src/storage/postgres/open-database.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { openTestSchema } from '../support/services.ts'
import { askOf, jobOf, submit } from './job-fixtures.ts'
import { peppers } from './key-fixtures.ts'

test('while calls of jobs have all connections that jobs may have, changes of keys are read', async () => {
  const schema = await openTestSchema()
  onTestFinished(schema.drop)
  const database = await openDatabase(
    { databaseUrl: schema.url },
    { peppers, signingKey: undefined, ledger: 'none', jobs: true, create: true },
  )
  onTestFinished(database.close)
  const { jobs, keys } = database
  if (jobs === undefined) throw new Error('it was opened with jobs')
  await submit(jobs, jobOf(1))
  const other = await openPostgres({ url: schema.url, fault: 'store_unavailable' })
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
