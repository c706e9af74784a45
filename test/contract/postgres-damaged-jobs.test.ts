import { describe, expect, onTestFinished, test } from 'vitest'
import { inputsDamaged } from '../../src/jobs/job.ts'
import { createRowMacs } from '../../src/secrets/row-macs.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import { findMiscounts, openPostgresJobs } from '../support/postgres-jobs.ts'
import { recycleSchemas } from '../support/recycled-schemas.ts'
import {
  answered,
  askOf,
  claim,
  endJob,
  extend,
  find,
  idsOf,
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
import { otherPeppers } from './row-macs.ts'

const webhook = 'https://example.com/done'
const batch = jobOf(1, { kind: 'batch', total: 4, inputs: '[1,2,3,4]' })
const allDone = { end: 'succeeded', expiresAt: jobBegin + keepMs } as const

interface Opened {
  readonly store: JobStore
  /** Changes rows as whoever has the database's password can. */
  readonly damage: (sql: string) => Promise<void>
  readonly miscounts: () => Promise<readonly unknown[]>
}

const openSchema = recycleSchemas()

async function open(): Promise<Opened> {
  const { url, drop } = await openSchema()
  // Registered first, so that it runs last.
  onTestFinished(drop)
  const { stores, postgres } = await openPostgresJobs(1, url)
  return {
    store: stores[0],
    damage: async (sql) => void (await postgres.query(sql.replaceAll('modelward.', `${postgres.schema}.`))),
    miscounts: () => findMiscounts(postgres),
  }
}

/** A change of each column that a node has written, of a job that waits. */
const waiting = [
  ...["owner = 'globex'", "key_id = 'key_b'", 'request_id = NULL', "model = 'other'", "kind = 'batch'"],
  ...['total = 7', 'priority = 9', 'attempts_max = 9', "webhook = 'https://example.net/'"],
  ...['created_at = created_at - 1', 'version = 2', 'attempts = 1', 'done = 1', 'errors = 1'],
  ...[
    `error = '{"code":"internal","detail":""}'`,
    'finished_at = 1',
    'answer_bytes = 1',
    'answer_values = 1',
  ],
  ...["inputs_hash = sha256('[]')", "answers_hash = sha256('')", "mac = sha256('')"],
]
/** The same of one that has ended: what a claim changes elsewhere, no claim changes here. */
const ended = [
  ...["status = 'failed'", "owner = 'globex'", 'version = version + 1, attempts = attempts + 1'],
  ...['started_at = started_at + 1', 'finished_at = finished_at + 1', 'expires_at = expires_at + 1'],
  ...['done = 0', 'answer_bytes = 0', 'answers_hash = NULL'],
]

describe('a job whose row is not the one that a node wrote', () => {
  test('is unavailable, named by lists, kept out of the queue, and gone after as long as a result is kept', async () => {
    const { store, damage, miscounts } = await open()
    const numbers = waiting.map((_, index) => index + 1)
    const whole = jobOf(99)
    await submit(store, ...numbers.map((number) => jobOf(number)), whole)
    for (const [index, change] of waiting.entries())
      await damage(`UPDATE modelward.jobs SET ${change} WHERE id = '${jobId(index + 1)}'`)
    for (const [index, change] of waiting.entries())
      await expect(find(store, index + 1), change).rejects.toMatchObject(unavailable)
    const address = { id: jobId(1) }
    await expect(store.cancel(address, jobBegin, keepMs)).rejects.toMatchObject(unavailable)
    const page = await store.listJobs({ limit: 3, now: jobBegin })
    expect(idsOf(page.jobs)).toEqual([99])
    expect(page.hasMore).toBe(false)
    expect(page.damaged?.toSorted()).toEqual(numbers.map(jobId))
    const models = ['sentiment', 'other']
    const first = await store.claim(askOf({ models }))
    expect(idsOf(first.claimed)).toEqual([99])
    // The first is another owner's, who has no turn: no claim meets it.
    expect(first.damaged.toSorted()).toEqual(numbers.slice(1).map(jobId))
    expect((await store.claim(askOf({ models }))).damaged, 'they are reported once').toEqual([])
    await expect(find(store, 2), 'it is not said to be gone').rejects.toMatchObject(unavailable)
    const [claimed] = first.claimed
    if (claimed === undefined) throw new Error('not claimed')
    expect(await settle(store, claimed, { ...allDone, answers: answered('1') })).toBeDefined()
    await store.claim(askOf({ models, now: jobBegin + keepMs }))
    expect(await find(store, 2)).toBeUndefined()
    expect(await store.countJobs()).toEqual({ queued: 1, running: 0 })
    await damage(`UPDATE modelward.jobs SET owner = 'acme'`)
    expect(await miscounts(), 'but for the one that was put back').toEqual([{ what: 'turn', owner: 'acme' }])
  })

  test('holds up no job of its owner, nor the ends of others, while it runs', async () => {
    const { stores, postgres } = await openPostgresJobs(2)
    const [store, other = store] = stores
    const [first, second] = [await startJob(store, jobOf(1)), await startJob(store, jobOf(2))]
    await postgres.query(`UPDATE ${postgres.schema}.jobs SET total = 9 WHERE id = $1`, [jobId(1)])
    expect((await extend(other, [first, second], jobBegin + leaseMs)).lost).toEqual([jobId(1)])
    const ends = [first, second].map(({ id, lease }) => ({ id, lease, answers: answered('1'), ...allDone }))
    const { settled } = await other.settle(ends, jobBegin, wide)
    expect(idsOf(settled)).toEqual([2])
    const later = await store.claim(askOf({ now: jobBegin + leaseMs }))
    expect(later).toMatchObject({ claimed: [], ended: [], damaged: [jobId(1)] })
  })

  test('with its attempts used up is set aside, and not said to be dead', async () => {
    const { store, damage } = await open()
    await startJob(store, jobOf(1, { attemptsMax: 1 }))
    await damage("UPDATE modelward.jobs SET owner = 'globex'")
    const asked = askOf({ now: jobBegin + leaseMs })
    expect(await store.claim(asked)).toMatchObject({ claimed: [], ended: [], damaged: [jobId(1)] })
    await expect(find(store, 1)).rejects.toMatchObject(unavailable)
  })

  test.each(ended)(
    'that has ended is unavailable, and keeps no other from its record: %s',
    async (change) => {
      const { store, damage } = await open()
      for (const number of [1, 2, 3]) await endJob(store, jobOf(number))
      await damage(`UPDATE modelward.jobs SET ${change} WHERE id = '${jobId(2)}'`)
      await expect(find(store, 2)).rejects.toMatchObject(unavailable)
      expect(idsOf(await store.listEnded({ limit: 2 })).toSorted()).toEqual([1, 3])
    },
  )
})

describe('a text of a job that is not the one that was written', () => {
  test.each([
    `UPDATE modelward.job_inputs SET inputs = '["text 9"]' WHERE inputs LIKE '%1%'`,
    "DELETE FROM modelward.job_inputs WHERE inputs LIKE '%1%'",
    'UPDATE modelward.job_inputs SET place = CASE place WHEN 1 THEN 9 ELSE 1 END WHERE place < 3',
  ])('an input: the job has failed, with the reason: %s', async (sql) => {
    const { store, damage } = await open()
    await submit(store, jobOf(1))
    await damage(sql)
    const { claimed, ended: given } = await store.claim(askOf())
    expect(claimed).toEqual([])
    expect(given).toMatchObject([{ id: jobId(1), status: 'failed', error: inputsDamaged }])
    expect(given).toEqual([await find(store, 1)])
  })

  test('a piece of a long input', async () => {
    const { store, damage } = await open()
    const text = JSON.stringify(['a'.repeat(300_000)])
    await submit(store, jobOf(1, { inputs: text }))
    await damage(
      "UPDATE modelward.job_inputs SET inputs = overlay(inputs placing 'b' from 9) WHERE piece = 1",
    )
    expect((await store.claim(askOf())).ended).toMatchObject([{ status: 'failed', error: inputsDamaged }])
  })

  test.each([
    "UPDATE modelward.job_answers SET answers = '3,2' WHERE from_input = 0",
    'DELETE FROM modelward.job_answers WHERE from_input = 2',
    'DELETE FROM modelward.job_answers',
    'UPDATE modelward.job_answers SET from_input = 3 - from_input',
  ])('an answer: the result is unavailable: %s', async (sql) => {
    const { store, damage } = await open()
    const job = await startJob(store, batch)
    await extend(store, [{ ...job, answers: answered('1,2', 2) }], jobBegin + leaseMs)
    await settle(store, job, { ...allDone, answers: answered('3,4', 2, 2) })
    expect(await find(store, 1)).toMatchObject({ result: '[1,2,3,4]' })
    await damage(sql)
    await expect(find(store, 1)).rejects.toMatchObject(unavailable)
  })

  test('an answer of a job that goes on: it begins anew, and stores each answer once', async () => {
    const { store, damage, miscounts } = await open()
    const first = await startJob(store, batch)
    await extend(store, [{ ...first, answers: answered('1,2', 2) }], jobBegin + leaseMs)
    await damage("UPDATE modelward.job_answers SET answers = '1,1'")
    const [again] = await claim(store, { now: jobBegin + leaseMs })
    if (again === undefined) throw new Error('not claimed')
    expect(again).toMatchObject({ done: 0, errors: 0, answerBytes: 0 })
    await settle(store, again, { ...allDone, answers: answered('1,2,3,4', 4) })
    expect(await find(store, 1)).toMatchObject({ status: 'succeeded', result: '[1,2,3,4]' })
    expect(await miscounts()).toEqual([])
  })
})

describe('what stands beside the jobs', () => {
  const leases = { max: 9, ownerMax: 9, now: jobBegin, until: jobBegin + leaseMs }

  test.each([
    ...["url = 'https://example.com/gone'", "job_id = 'job_2'", "owner = 'globex'", 'created_at = 1'],
    ...[`job = replace(job, 'succeeded', 'failed')`, "mac = ''"],
  ])('a webhook that was changed says so, and stays so once it is settled: %s', async (change) => {
    const { store, damage } = await open()
    await endJob(store, jobOf(1, { webhook }))
    await damage(`UPDATE modelward.deliveries SET ${change}`)
    await damage('UPDATE modelward.delivery_turns SET owner = (SELECT owner FROM modelward.deliveries)')
    const [delivery] = await store.claimDeliveries(leases)
    expect(delivery).toMatchObject({ isDamaged: true, job: { keyId: '', result: null } })
    const { id = '', lease } = delivery ?? {}
    const result = { at: jobBegin, status: null, reason: 'damaged' } as const
    const then = 'failed'
    await store.settleDelivery({ id, lease: lease ?? '', result, then })
    const [listed] = await store.listDeliveries({ limit: 9 })
    expect(listed).toMatchObject({ isDamaged: true, status: 'failed', lastAttempt: result })
    await expect(store.findDelivery({ id })).rejects.toMatchObject(unavailable)
    await expect(store.retryDelivery({ id }, jobBegin)).rejects.toMatchObject(unavailable)
    expect(await store.claimDeliveries(leases)).toEqual([])
  })

  test.each([
    "request_digest = 'another'",
    "held_by = 'another'",
    "sealed = '\\x00'",
    'expires_at = 1',
    "mac = ''",
  ])('a kept answer that was changed is neither given nor made anew: %s', async (change) => {
    const { store, damage } = await open()
    const reservation = { id: 'a', owner: 'acme', requestDigest: 'digest', until: jobBegin + keepMs }
    await store.reserve({ ...reservation, holder: 'h' }, jobBegin, wide)
    const sealed = Buffer.alloc(40, 1)
    await store.storeAnswer({ ...reservation, holder: 'h', sealed, expiresAt: jobBegin + keepMs })
    const again = (now = jobBegin) => store.reserve({ ...reservation, holder: 'i' }, now, wide)
    expect(await again()).toMatchObject({ outcome: 'answered' })
    await damage(`UPDATE modelward.kept_answers SET ${change}`)
    await expect(again()).rejects.toMatchObject(unavailable)
    await expect(again(jobBegin + keepMs)).rejects.toMatchObject(unavailable)
    await store.forgetExpired(jobBegin + keepMs, 9)
    expect(await again()).toEqual({ outcome: 'reserved' })
  })

  test.each(["sealed = '\\x00'", 'created_at = 1', "mac = ''"])(
    'a secret of webhooks that was changed signs nothing; a new one takes its place: %s',
    async (change) => {
      const { store, damage } = await open()
      const secret = { owner: 'acme', sealed: Buffer.alloc(9, 1), createdAt: jobBegin, signsUntil: null }
      await store.addWebhookSecret(secret, jobBegin)
      await damage(`UPDATE modelward.webhook_secrets SET ${change}`)
      await expect(store.findWebhookSecrets('acme', jobBegin)).rejects.toMatchObject(unavailable)
      await store.addWebhookSecret({ ...secret, createdAt: jobBegin + 1 }, jobBegin + keepMs)
      expect(await store.findWebhookSecrets('acme', jobBegin)).toEqual([
        { ...secret, createdAt: jobBegin + 1 },
      ])
    },
  )
})

test('a job that another deployment wrote is not believed: a row has a MAC, and no checksum that anyone can make', async () => {
  const { stores, postgres, url } = await openPostgresJobs()
  const macs = createRowMacs(otherPeppers)
  const foreign = await openPostgresJobStore({ postgres, macs, url, node: 'foreign' })
  await submit(foreign, jobOf(1))
  await foreign.close()
  await expect(find(stores[0], 1)).rejects.toMatchObject(unavailable)
  expect((await stores[0].claim(askOf())).damaged).toEqual([jobId(1)])
})
