import { expect, test } from 'vitest'
import type { NewJob } from '../../src/jobs/job.ts'
import { readOrigin, writeOrigin } from '../../src/jobs/job-origin.ts'
import {
  acceptedOf,
  claim,
  endJob,
  find,
  type GetStore,
  idsOf,
  jobBegin,
  jobOf,
  leaseMs,
  listIds,
  reservationOf,
  reservedAnswerOf,
  submit,
  wide,
} from './job-fixtures.ts'
import { useOf } from './limiter.contract.ts'

const full: NewJob = jobOf(7, {
  owner: 'équipe/1',
  keyId: 'key_ü',
  requestId: null,
  model: 'my-model',
  kind: 'batch',
  inputs: JSON.stringify(['a\nb', `O'Brien "100%" \\ ; DROP TABLE jobs; --`, '\u{1F511}', '\0']),
  total: 4,
  priority: 9,
  attemptsMax: 5,
  webhook: 'https://example.com/hook?a=1',
  createdAt: jobBegin - 1,
})

/** Jobs are accepted all or none, within bounds, together with the answer that names them. */
export function testJobSubmission(get: GetStore): void {
  test('a job comes back as it was submitted, field by field, waiting and never begun', async () => {
    await submit(get(), full)
    expect(await get().findJob({ id: full.id }, jobBegin)).toEqual(acceptedOf(full))
  })

  test('where a job was made, its trace too, is kept with it until another node has it', async () => {
    const trace = {
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      isSampled: true,
      state: `a=${'v'.repeat(250)},b=${'v'.repeat(250)}`,
    }
    await submit(get(), jobOf(8, { requestId: writeOrigin({ requestId: 'request-8', trace }) }))
    const [claimed] = await claim(get(), {})
    expect(readOrigin(claimed?.requestId ?? null)).toEqual({ requestId: 'request-8', trace })
  })

  test('what is known of a call of a model server is kept with its job, whatever becomes of it', async () => {
    const parts = [{ use: useOf('key:a', '100 tokens/h', 60), at: jobBegin }]
    const call = {
      model: 'llama\u001f3 \u{1F511}\0',
      reserved: { tokens: 60, prompt_tokens: 50, completion_tokens: 10 },
      abandoned: { tokens: 7, prompt_tokens: 7, completion_tokens: 0 },
      taken: Array.from({ length: 32 }, () => parts).flat(),
    }
    const origin = { requestId: 'request-9', trace: undefined, call }
    const ofCall = (number: number): NewJob => jobOf(number, { requestId: writeOrigin(origin) })
    await submit(get(), ofCall(9), ofCall(10))
    const cancelled = await get().cancel({ id: ofCall(10).id }, jobBegin, leaseMs)
    const [claimed] = await claim(get(), {})
    const ended = await find(get(), 10)
    for (const job of [claimed, cancelled?.job, ended])
      expect(readOrigin(job?.requestId ?? null)).toEqual(origin)
  })

  test('a claimed job has its inputs as they were submitted', async () => {
    await submit(get(), full)
    const [claimed] = await claim(get(), { models: ['my-model'] })
    expect(claimed?.inputs).toBe(full.inputs)
    expect(JSON.parse(claimed?.inputs ?? '')).toHaveLength(4)
  })

  test('a submission without jobs is accepted and adds none', async () => {
    await submit(get())
    expect(await get().countJobs()).toEqual({ queued: 0, running: 0 })
  })

  test('as many jobs wait or run as the bound in all allows, and the one more is refused', async () => {
    const bounds = { ...wide, jobsMax: 3, ownerJobsMax: 100 }
    const jobs = [jobOf(1), jobOf(2, { owner: 'globex' })]
    expect(await get().submit({ jobs, bounds })).toEqual({ outcome: 'accepted' })
    await claim(get(), { max: 1 })
    const more = { jobs: [jobOf(3), jobOf(4)], bounds }
    expect(await get().submit(more), 'one too many, so none of both').toEqual({ outcome: 'full' })
    expect(await listIds(get())).toEqual([2, 1])
    expect(await get().submit({ jobs: [jobOf(3)], bounds })).toEqual({ outcome: 'accepted' })
    expect(await get().submit({ jobs: [jobOf(4)], bounds })).toEqual({ outcome: 'full' })
  })

  test('the bound of one owner refuses that owner alone', async () => {
    const bounds = { ...wide, jobsMax: 100, ownerJobsMax: 2 }
    await submit(get(), jobOf(1), jobOf(2))
    await claim(get(), { max: 1 })
    expect(await get().submit({ jobs: [jobOf(3)], bounds })).toEqual({ outcome: 'full' })
    const mixed = [jobOf(4, { owner: 'globex' }), jobOf(5)]
    expect(await get().submit({ jobs: mixed, bounds }), 'none of both').toEqual({ outcome: 'full' })
    const other = [jobOf(6, { owner: 'globex' }), jobOf(7, { owner: 'globex' })]
    expect(await get().submit({ jobs: other, bounds })).toEqual({ outcome: 'accepted' })
    expect(await listIds(get())).toEqual([7, 6, 2, 1])
  })

  test('jobs that have ended make room', async () => {
    const bounds = { ...wide, jobsMax: 1, ownerJobsMax: 1 }
    await endJob(get(), jobOf(1))
    expect(await get().submit({ jobs: [jobOf(2)], bounds })).toEqual({ outcome: 'accepted' })
    await get().cancel({ id: jobOf(2).id }, jobBegin, 1)
    expect(await get().submit({ jobs: [jobOf(3)], bounds })).toEqual({ outcome: 'accepted' })
  })

  test('an id that is there already rejects, and none of the submission is accepted', async () => {
    await submit(get(), jobOf(1))
    for (const jobs of [
      [jobOf(2), jobOf(1, { owner: 'globex' })],
      [jobOf(2), jobOf(2)],
    ])
      await expect(get().submit({ jobs, bounds: wide })).rejects.toMatchObject({ name: 'Fault' })
    expect(await listIds(get())).toEqual([1])
    expect(await find(get(), 1)).toMatchObject({ owner: 'acme', version: 1 })
  })

  test('jobs and the answer that names them are kept together', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    expect(await get().submit({ jobs: [jobOf(1)], answer: reservedAnswerOf(), bounds: wide })).toEqual({
      outcome: 'accepted',
    })
    const again = await get().reserve(reservationOf({ holder: 'two' }), jobBegin, wide)
    expect(again).toMatchObject({ outcome: 'answered', requestDigest: 'request' })
  })

  test('jobs that are refused or cannot be added keep no answer, and the reservation is still held', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    await submit(get(), jobOf(1))
    const answer = reservedAnswerOf()
    const bounds = { ...wide, jobsMax: 1, ownerJobsMax: 1 }
    expect(await get().submit({ jobs: [jobOf(2)], answer, bounds })).toEqual({ outcome: 'full' })
    const twice = { jobs: [jobOf(2), jobOf(1)], answer, bounds: wide }
    await expect(get().submit(twice)).rejects.toMatchObject({ name: 'Fault' })
    const other = reservationOf({ holder: 'two' })
    expect(await get().reserve(other, jobBegin, wide)).toMatchObject({ outcome: 'in_flight' })
    expect(await get().storeAnswer(answer)).toBe(true)
  })

  test('an answer whose reservation is held no more accepts no job: another request was carried out in its place', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    const later = jobBegin + leaseMs
    await get().reserve(reservationOf({ holder: 'two', until: later + leaseMs }), later, wide)
    const late = { jobs: [jobOf(1)], answer: reservedAnswerOf(), bounds: wide }
    expect(await get().submit(late)).toEqual({ outcome: 'unreserved' })
    const unknown = { jobs: [jobOf(2)], answer: reservedAnswerOf({ id: 'never reserved' }), bounds: wide }
    expect(await get().submit(unknown)).toEqual({ outcome: 'unreserved' })
    const answer = reservedAnswerOf({ holder: 'two' })
    expect(await get().submit({ jobs: [jobOf(3)], answer, bounds: wide })).toEqual({ outcome: 'accepted' })
    expect(await get().submit({ jobs: [jobOf(4)], answer, bounds: wide }), 'kept already').toEqual({
      outcome: 'unreserved',
    })
    expect(await listIds(get())).toEqual([3])
  })

  test('many submissions at once are each accepted as a whole', async () => {
    const numbers = [...Array(200).keys()]
    await Promise.all(numbers.map((number) => submit(get(), jobOf(2 * number), jobOf(2 * number + 1))))
    expect((await listIds(get())).toSorted((one, other) => one - other)).toEqual([...Array(400).keys()])
    expect(idsOf(await claim(get())).length).toBe(400)
  })
}
