import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import {
  answered,
  claim,
  extend,
  find,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  settle,
  startJob,
  submit,
} from './job-fixtures.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

/** Four inputs. */
const batch = jobOf(1, { kind: 'batch', total: 4, inputs: '[1,2,3,4]' })
const allDone = { end: 'succeeded', expiresAt: jobBegin + keepMs } as const
const later = { now: jobBegin + leaseMs }

/** A store, and what a server that ran before its file had answers does beside it. */
async function open(): Promise<{ store: JobStore; older: (sql: string) => void }> {
  const file = join(createTemporaryFolder(), 'jobs.db')
  const store = await openSqliteJobStore({ file })
  onTestFinished(() => store.close())
  const database = openDatabase({ file, busyTimeoutMs: 0, cacheKiB: 1_024 })
  onTestFinished(() => database.close())
  return { store, older: (sql) => database.exec(sql) }
}

describe('beside a server of an earlier version, which counts progress and stores no answer', () => {
  test('a job begins with its first input', async () => {
    const { store, older } = await open()
    await startJob(store, batch)
    older('UPDATE jobs SET done = 3')
    const [again] = await claim(store, later)
    expect(again).toMatchObject({ done: 0, errors: 0, answerBytes: 0 })
  })

  test('a job of which that server began anew begins with its first input, and stores each answer once', async () => {
    const { store, older } = await open()
    const first = await startJob(store, batch)
    await extend(store, [{ ...first, answers: answered('1,2', 2) }], jobBegin + leaseMs)
    older('UPDATE jobs SET done = 0')
    const [again] = await claim(store, later)
    if (again === undefined) throw new Error('not claimed')
    expect(again).toMatchObject({ done: 0, answerBytes: 0 })
    await settle(store, again, { ...allDone, answers: answered('1,2,3,4', 4) })
    expect(await find(store, 1)).toMatchObject({ status: 'succeeded', result: '[1,2,3,4]' })
  })

  test('a job whose stored answers are not as many as its inputs is not said to have succeeded: it begins anew', async () => {
    const { store, older } = await open()
    const first = await startJob(store, batch)
    await extend(store, [{ ...first, answers: answered('1,2', 2) }], jobBegin + leaseMs)
    older('UPDATE jobs SET done = 3')
    const [again] = await claim(store, later)
    if (again === undefined) throw new Error('not claimed')
    const settled = await settle(store, again, { ...allDone, answers: answered('4', 1, 3) })
    expect(settled).toMatchObject({ status: 'queued', done: 0, errors: 0 })
    const [anew] = await claim(store, later)
    expect(anew).toMatchObject({ done: 0, answerBytes: 0, attempts: 3 })
    if (anew === undefined) throw new Error('not claimed')
    await settle(store, anew, { ...allDone, answers: answered('1,2,3,4', 4) })
    expect(await find(store, 1)).toMatchObject({ status: 'succeeded', result: '[1,2,3,4]' })
  })
})

test('a model whose text has other than an answer for each input never succeeds, and its job ends', async () => {
  const { store } = await open()
  await submit(store, { ...batch, attemptsMax: 2 })
  for (const status of ['queued', 'dead']) {
    const [job] = await claim(store)
    if (job === undefined) throw new Error('not claimed')
    const settled = await settle(store, job, { ...allDone, answers: answered('1,2', 4) })
    expect(settled).toMatchObject({ status, done: 0 })
  }
  expect(await find(store, 1)).toMatchObject({ id: jobId(1), error: { code: 'internal' }, result: null })
})
