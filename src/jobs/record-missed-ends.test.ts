import { expect, test } from 'vitest'
import {
  answered,
  claim,
  endJob,
  failed,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  retryAt,
  settle,
  startJob,
  submit,
  wide,
} from '../../test/contract/job-fixtures.ts'
import { createSigningKey, readAll } from '../../test/contract/ledger.contract.ts'
import { createMemoryLedger } from '../../test/support/memory-ledger.ts'
import { createEntryWriter } from '../ledger/write/entry-writer.ts'
import { createInProcessJobStore } from '../storage/sqlite/jobs/in-process-job-store.ts'
import { noTelemetry } from '../telemetry/telemetry.ts'
import type { JobRecord } from './job.ts'
import { createJobRecords } from './job-records.ts'
import { recordEnds } from './record-missed-ends.ts'

const attempt = { latencyUs: 5, measures: {} }

/** A store and a ledger that a process has left, and one that begins a second later. */
function openLeft() {
  const store = createInProcessJobStore()
  const ledger = createMemoryLedger({ signingKey: createSigningKey(), clock: () => jobBegin })
  const writer = createEntryWriter({ ledger, telemetry: noTelemetry })
  const records = createJobRecords(writer, () => jobBegin + 10, noTelemetry.measures)
  return {
    store,
    records,
    begin: () => recordEnds({ store, ledger, records, begunAt: jobBegin + 1_000 }),
    /** The events of one job. */
    eventsOf: async (id: string) =>
      (await readAll(ledger))
        .filter(({ detail }) => Object.values(detail ?? {}).includes(id))
        .map(({ event, detail }) => ({ event, late: Object.keys(detail ?? {}).includes('late') })),
  }
}

const recordOf = async (
  store: ReturnType<typeof createInProcessJobStore>,
  number: number,
): Promise<JobRecord> => {
  const job = await store.findJob({ id: jobId(number) }, jobBegin)
  if (job === undefined) throw new Error('there is no such job')
  return job
}

test('an end that has no record gets one, which says that it is late; one that has stays as it is', async () => {
  const { store, records, begin, eventsOf } = openLeft()
  await endJob(store, jobOf(1))
  await endJob(store, jobOf(2))
  await endJob(store, jobOf(3), failed)
  await submit(store, jobOf(4))
  await store.cancel({ id: jobId(4) }, jobBegin, keepMs)
  await records.ended(await recordOf(store, 1), attempt)
  expect(await begin()).toBe(3)
  expect(await eventsOf(jobId(1))).toEqual([{ event: 'job.finished', late: false }])
  expect(await eventsOf(jobId(2))).toEqual([{ event: 'job.finished', late: true }])
  expect(await eventsOf(jobId(3))).toEqual([{ event: 'job.failed', late: true }])
  expect(await eventsOf(jobId(4))).toEqual([{ event: 'job.cancelled', late: true }])
  expect(await begin()).toBe(0)
})

test('the record of an attempt that was followed by another does not count as the job’s end', async () => {
  const { store, records, begin, eventsOf } = openLeft()
  const first = await startJob(store, jobOf(1, { attemptsMax: 2 }))
  const again = await settle(store, first, retryAt(jobBegin))
  if (again !== undefined) await records.ended(again, attempt)
  const [second] = await claim(store)
  if (second !== undefined) await settle(store, second, retryAt(jobBegin))
  expect(await recordOf(store, 1)).toMatchObject({ status: 'dead' })
  expect(await begin()).toBe(1)
  expect(await eventsOf(jobId(1))).toEqual([
    { event: 'job.failed', late: false },
    { event: 'job.failed', late: true },
  ])
})

test('the record of an end after which the job was retried does not count for the next', async () => {
  const { store, records, begin, eventsOf } = openLeft()
  await endJob(store, jobOf(1), failed)
  await records.ended(await recordOf(store, 1), attempt)
  await store.retry({ id: jobId(1) }, jobBegin + 20)
  const [again] = await claim(store, { now: jobBegin + 20 })
  if (again !== undefined) await settle(store, again, failed, jobBegin + 20)
  expect(await begin()).toBe(1)
  expect(await eventsOf(jobId(1))).toEqual([
    { event: 'job.failed', late: false },
    { event: 'job.failed', late: true },
  ])
})

test('jobs that wait, run, or have ended since this process began are left to their workers', async () => {
  const { store, begin } = openLeft()
  await submit(store, jobOf(1))
  await startJob(store, jobOf(2, { model: 'other' }))
  const running = await startJob(store, jobOf(3, { model: 'third' }))
  await settle(
    store,
    running,
    { end: 'succeeded', answers: answered('1'), expiresAt: jobBegin + keepMs },
    jobBegin + 1_000,
  )
  expect(await begin()).toBe(0)
})

test('however many there are, each gets one', async () => {
  const { store, records, begin, eventsOf } = openLeft()
  const many = 2_500
  await submit(store, ...Array.from({ length: many }, (_, number) => jobOf(number)))
  const claimed = await claim(store, { max: many })
  const ends = claimed.map(
    ({ id, lease }) =>
      ({ id, lease, end: 'succeeded', answers: answered('1'), expiresAt: jobBegin + keepMs }) as const,
  )
  const { settled } = await store.settle(ends, jobBegin, wide)
  for (const job of settled.filter((_, index) => index % 2 === 0)) await records.ended(job, attempt)
  expect(await begin()).toBe(many / 2)
  for (const number of [0, 1, many - 1]) expect(await eventsOf(jobId(number))).toHaveLength(1)
  expect(await begin()).toBe(0)
})
