import { expect, onTestFinished, test } from 'vitest'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import { openPostgresJobs } from '../support/postgres-jobs.ts'
import { answered, endJob, jobBegin, jobId, jobOf } from './job-fixtures.ts'
import { macs } from './row-macs.ts'

test('those who wait for a job at once read its result once, and those who follow it read no large one', async () => {
  const { stores, postgres, url } = await openPostgresJobs()
  const result = JSON.stringify('x'.repeat(300_000))
  const end = { end: 'succeeded', answers: answered(result), expiresAt: jobBegin + 9 } as const
  await endJob(stores[0], jobOf(1), end)
  let reads = 0
  const query: typeof postgres.query = (text, values) => {
    if (text.includes('job_answers')) reads += 1
    return postgres.query(text, values)
  }
  const store = await openPostgresJobStore({ postgres: { ...postgres, query }, url, node: 'counted', macs })
  onTestFinished(store.close)
  const find = (resultMax?: number) => store.findJob({ id: jobId(1) }, jobBegin, resultMax)
  await find()
  const ofOne = reads
  for (const found of await Promise.all(Array.from({ length: 100 }, () => find())))
    expect(found).toMatchObject({ result })
  expect(reads).toBe(2 * ofOne)
  for (const found of await Promise.all(Array.from({ length: 100 }, () => find(65_536))))
    expect(found).toMatchObject({ status: 'succeeded', result: null })
  expect(reads).toBe(2 * ofOne)
})
