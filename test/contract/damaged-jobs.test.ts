import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { inputsDamaged } from '../../src/jobs/job.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openDatabase } from '../../src/storage/sqlite/driver.ts'
import { inspectJobDatabase } from '../../src/storage/sqlite/inspect-database.ts'
import { openSqliteJobStore } from '../../src/storage/sqlite/jobs/job-store.ts'
import {
  answered,
  askOf,
  claim,
  endJob,
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
  unavailable,
  wide,
} from './job-fixtures.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

const webhook = 'https://example.com/done'
const batch = jobOf(1, { kind: 'batch', total: 4, inputs: '[1,2,3,4]' })
const allDone = { end: 'succeeded', expiresAt: jobBegin + keepMs } as const

interface Opened {
  readonly store: JobStore
  readonly file: string
  /** Changes the file as a disk does: with no checksum. */
  readonly damage: (sql: string) => void
}

async function open(file = join(createTemporaryFolder(), 'jobs.db')): Promise<Opened> {
  const store = await openSqliteJobStore({ file })
  onTestFinished(() => store.close())
  const database = openDatabase({ file, busyTimeoutMs: 5_000, cacheKiB: 1_024 })
  onTestFinished(() => database.close())
  return { store, file, damage: (sql) => database.exec(sql) }
}

describe('a job whose row is not the one that was written', () => {
  test('is unavailable to its owner, leaves the queue, and goes after as long as a result is kept', async () => {
    const { store, damage } = await open()
    await submit(store, jobOf(1), jobOf(2))
    damage("UPDATE jobs SET model = 'sentiment', key_id = 'key_b' WHERE place = 1")
    await expect(find(store, 1)).rejects.toMatchObject(unavailable)
    await expect(store.cancel({ id: jobId(1) }, jobBegin, keepMs)).rejects.toMatchObject(unavailable)
    const outcome = await store.claim(askOf())
    expect(outcome.claimed.map(({ id }) => id)).toEqual([jobId(2)])
    expect(outcome.damaged).toEqual([jobId(1)])
    expect((await store.claim(askOf())).damaged, 'it is reported once').toEqual([])
    await expect(find(store, 1), 'it is not said to be gone').rejects.toMatchObject(unavailable)
    await store.claim(askOf({ now: jobBegin + keepMs }))
    expect(await find(store, 1)).toBeUndefined()
    expect(await store.countJobs()).toEqual({ queued: 0, running: 1 })
  })

  test('holds up no job of its owner, nor the ends of others, while it runs', async () => {
    const { store, damage } = await open()
    const [first, second] = [await startJob(store, jobOf(1)), await startJob(store, jobOf(2))]
    damage('UPDATE jobs SET attempts = 9 WHERE place = 1')
    expect((await extend(store, [first, second], jobBegin + leaseMs)).lost).toEqual([jobId(1)])
    const ends = [first, second].map(({ id, lease }) => ({
      id,
      lease,
      answers: answered('"good"'),
      ...allDone,
    }))
    const { settled } = await store.settle(ends, jobBegin, wide)
    expect(settled.map(({ id }) => id)).toEqual([jobId(2)])
    const later = await store.claim(askOf({ now: jobBegin + leaseMs }))
    expect(later).toMatchObject({ claimed: [], ended: [], damaged: [jobId(1)] })
  })

  test('is left out of lists, which name it; the others are there, page by page', async () => {
    const { store, damage } = await open()
    await submit(store, ...[1, 2, 3, 4].map((number) => jobOf(number)))
    damage('UPDATE jobs SET total = 7 WHERE place = 3')
    const first = await store.listJobs({ limit: 2, now: jobBegin, owner: 'acme' })
    expect(first.jobs.map(({ id }) => id)).toEqual([4, 2].map(jobId))
    expect(first).toMatchObject({ hasMore: true, damaged: [jobId(3)] })
    const after = { createdAt: jobBegin, id: jobId(2) }
    const second = await store.listJobs({ limit: 2, now: jobBegin, owner: 'acme', after })
    expect(second).toEqual({ jobs: [expect.objectContaining({ id: jobId(1) })], hasMore: false })
  })

  test('keeps no end of another from being listed, for its record', async () => {
    const { store, damage } = await open()
    for (const number of [1, 2, 3]) await endJob(store, jobOf(number))
    damage('UPDATE jobs SET attempts = 2 WHERE place = 2')
    const ended = await store.listEnded({ limit: 2 })
    expect(ended.map(({ id }) => id)).toEqual([3, 1].map(jobId))
  })
})

describe('a text of a job that is not the one that was written', () => {
  test('an input: the job has failed, with the reason, and is given back to be recorded', async () => {
    const { store, damage } = await open()
    await submit(store, jobOf(1), jobOf(2))
    damage(`UPDATE job_inputs SET inputs = '["text 9"]' WHERE place = 1`)
    const { claimed, ended } = await store.claim(askOf())
    expect(claimed.map(({ id }) => id)).toEqual([jobId(2)])
    expect(ended).toMatchObject([{ id: jobId(1), status: 'failed', error: inputsDamaged }])
    expect(ended).toEqual([await find(store, 1)])
  })

  test('an input that is missing is no other', async () => {
    const { store, damage } = await open()
    await submit(store, jobOf(1))
    damage('DELETE FROM job_inputs')
    expect((await store.claim(askOf())).ended).toMatchObject([{ status: 'failed', error: inputsDamaged }])
  })

  test.each(["UPDATE job_answers SET answers = '3,2' WHERE from_input = 0", 'DELETE FROM job_answers'])(
    'an answer: %s: the result is unavailable',
    async (sql) => {
      const { store, damage } = await open()
      const job = await startJob(store, batch)
      await extend(store, [{ ...job, answers: answered('1,2', 2) }], jobBegin + leaseMs)
      await settle(store, job, { ...allDone, answers: answered('3,4', 2, 2) })
      damage(sql)
      await expect(find(store, 1)).rejects.toMatchObject(unavailable)
    },
  )

  test('an answer of a job that goes on: it begins anew, and stores each answer once', async () => {
    const { store, damage } = await open()
    const first = await startJob(store, batch)
    await extend(store, [{ ...first, answers: answered('1,2', 2) }], jobBegin + leaseMs)
    damage("UPDATE job_answers SET answers = '1,1'")
    const [again] = await claim(store, { now: jobBegin + leaseMs })
    if (again === undefined) throw new Error('not claimed')
    expect(again).toMatchObject({ done: 0, errors: 0, answerBytes: 0 })
    await settle(store, again, { ...allDone, answers: answered('1,2,3,4', 4) })
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

describe('what stands beside the jobs', () => {
  const leases = { max: 9, ownerMax: 9, now: jobBegin, until: jobBegin + leaseMs }

  test('a webhook that was damaged says so, and stays so once it is settled', async () => {
    const { store, damage } = await open()
    await endJob(store, jobOf(1, { webhook }))
    damage("UPDATE deliveries SET url = 'https://example.com/gone'")
    const [delivery] = await store.claimDeliveries(leases)
    expect(delivery).toMatchObject({ isDamaged: true, jobId: jobId(1), owner: 'acme', job: { id: jobId(1) } })
    const result = { at: jobBegin, status: null, reason: 'damaged' } as const
    const { id = '', lease } = delivery ?? {}
    const then = 'failed'
    await store.settleDelivery({ id, lease: lease ?? '', result, then })
    const [listed] = await store.listDeliveries({ limit: 9 })
    expect(listed).toMatchObject({ isDamaged: true, status: 'failed', lastAttempt: result })
    await expect(store.retryDelivery({ id, owner: 'acme' }, jobBegin)).rejects.toMatchObject(unavailable)
  })

  test('a kept answer that was damaged is neither given nor made anew', async () => {
    const { store, damage } = await open()
    const reservation = { id: 'a', owner: 'acme', requestDigest: 'digest', until: jobBegin + keepMs }
    await store.reserve({ ...reservation, holder: 'h' }, jobBegin, wide)
    const sealed = Buffer.alloc(40, 1)
    await store.storeAnswer({ ...reservation, holder: 'h', sealed, expiresAt: jobBegin + keepMs })
    const again = () => store.reserve({ ...reservation, holder: 'i' }, jobBegin, wide)
    expect(await again()).toMatchObject({ outcome: 'answered' })
    damage("UPDATE answers SET request_digest = 'another'")
    await expect(again()).rejects.toMatchObject(unavailable)
    await store.forgetExpired(jobBegin + keepMs, 9)
    expect(await again()).toEqual({ outcome: 'reserved' })
  })

  test('a secret of webhooks that was damaged signs nothing; a new one takes its place', async () => {
    const { store, damage } = await open()
    const secret = { owner: 'acme', sealed: Buffer.alloc(9, 1), createdAt: jobBegin, signsUntil: null }
    await store.addWebhookSecret(secret, jobBegin)
    damage('UPDATE webhook_secrets SET created_at = 1')
    await expect(store.findWebhookSecrets('acme', jobBegin)).rejects.toMatchObject(unavailable)
    await store.addWebhookSecret({ ...secret, createdAt: jobBegin + 1 }, jobBegin + keepMs)
    expect(await store.findWebhookSecrets('acme', jobBegin)).toMatchObject([{ createdAt: jobBegin + 1 }])
  })

  test.each([
    'UPDATE turns SET has_ready = 0, served = 4503599627370496',
    'DELETE FROM turns',
    'UPDATE owners SET queued = 1000000, bytes = 4503599627370496',
    'DELETE FROM owners',
    'UPDATE totals SET queued = 1000000, served = 0',
    'DELETE FROM totals',
    'DELETE FROM delivery_turns',
  ])('what is derived from jobs is made anew when they are opened: %s', async (sql) => {
    const { file, store, damage } = await open()
    await endJob(store, jobOf(1, { webhook }))
    await submit(store, jobOf(2), jobOf(3, { owner: 'globex' }))
    await store.close()
    damage(sql)
    const { store: again } = await open(file)
    expect(await again.countJobs()).toEqual({ queued: 2, running: 0 })
    const bounds = { ...wide, jobsMax: 3, ownerJobsMax: 2 }
    expect(await again.submit({ jobs: [jobOf(4)], bounds })).toEqual({ outcome: 'accepted' })
    expect(await again.submit({ jobs: [jobOf(5)], bounds })).toEqual({ outcome: 'full' })
    expect((await claim(again)).map(({ id }) => id).toSorted()).toEqual([2, 3, 4].map(jobId))
    expect(await again.claimDeliveries(leases)).toHaveLength(1)
  })
})

test.each(['DROP TRIGGER jobs_changed', 'DROP INDEX jobs_ready'])(
  'a schema that is not the one that was written keeps jobs from being opened: %s',
  async (sql) => {
    const { file, store, damage } = await open()
    await store.close()
    damage(sql)
    await expect(openSqliteJobStore({ file })).rejects.toMatchObject({ code: 'data_corrupt' })
  },
)

test('doctor names each damaged row', async () => {
  const { file, store, damage } = await open()
  await submit(store, jobOf(1), jobOf(2), jobOf(3))
  await endJob(store, jobOf(4, { webhook, model: 'other' }))
  expect(inspectJobDatabase(file).damaged).toEqual([])
  damage('UPDATE jobs SET priority = 9 WHERE place = 1; DELETE FROM job_inputs WHERE place = 2')
  damage('DELETE FROM job_answers; UPDATE deliveries SET attempts = 3')
  const { damaged } = inspectJobDatabase(file)
  expect(damaged.slice(0, 3)).toEqual([1, 2, 4].map((number) => `job ${jobId(number)}`))
  expect(damaged.slice(3)).toEqual([expect.stringMatching(/^webhook msg_/)])
})

test('a server of an earlier version that has the file open writes no row without a checksum', async () => {
  const { store, damage } = await open()
  await submit(store, jobOf(1))
  const older = [
    "UPDATE jobs SET lease = 'l', done = 1 WHERE place = 1",
    "UPDATE deliveries SET lease = 'l'",
    "INSERT INTO answers (id, request_digest, holder, expires_at) VALUES ('a', 'd', 'h', 1)",
    "INSERT INTO webhook_secrets (owner, sealed, created_at, signs_until) VALUES ('a', x'00', 1, NULL)",
  ]
  for (const sql of older) expect(() => damage(sql), sql).toThrow(/no (?:such )?column/)
})
