import { expect, test } from 'vitest'
import type { JobRecord } from '../../src/jobs/job.ts'
import {
  answered,
  askOf,
  claim,
  extend,
  failed,
  find,
  type GetStore,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  listen,
  released,
  settle,
  startJob,
  submit,
  succeeded,
  wide,
} from './job-fixtures.ts'

/** A listener gets each change that is made through the store, once and in order. */
export function testJobWatch(get: GetStore): void {
  test('each version of a job is told once, in order, as the record was', async () => {
    const listening = listen(get())
    const seen: (JobRecord | undefined)[] = []
    const look = async (): Promise<void> => {
      const found = await find(get(), 1)
      seen.push(found === undefined ? undefined : { ...found, result: null })
    }
    await submit(get(), jobOf(1, { total: 3, attemptsMax: 1 }))
    await look()
    const [first] = await claim(get())
    await look()
    if (first === undefined) throw new Error('not claimed')
    await extend(get(), [{ ...first, answers: answered('1,2', 2) }], jobBegin + leaseMs)
    await look()
    await settle(get(), first, released)
    await look()
    const [second] = await claim(get())
    await look()
    if (second === undefined) throw new Error('not claimed')
    await settle(get(), second, failed)
    await look()
    await get().retry({ id: jobId(1) }, jobBegin)
    await look()
    await claim(get())
    await look()
    await get().claim(askOf({ now: jobBegin + leaseMs }))
    await look()
    await get().retry({ id: jobId(1) }, jobBegin)
    await look()
    await get().cancel({ id: jobId(1) }, jobBegin, keepMs)
    await look()
    await listening.heard(seen.length)
    expect(listening.changes.flatMap(({ jobs }) => jobs)).toEqual(seen)
    expect(seen.map((job) => job?.version)).toEqual(seen.map((_, index) => index + 1))
  })

  test('a job’s result is not told, only that it is there', async () => {
    const job = await startJob(get())
    const listening = listen(get())
    await settle(get(), job, succeeded)
    await listening.heard(1)
    expect(listening.changes).toMatchObject([{ jobs: [{ status: 'succeeded', result: null }] }])
  })

  test('a worker that waits gets a signal when there may be work: jobs accepted, retried, handed back', async () => {
    const listening = listen(get())
    const dueChanges = (): number => listening.changes.filter(({ isDue }) => isDue).length
    await submit(get(), jobOf(1))
    await listening.heard(1)
    expect(dueChanges()).toBe(1)
    const [job] = await claim(get())
    if (job === undefined) throw new Error('not claimed')
    await settle(get(), job, released)
    await listening.heard(3)
    expect(dueChanges()).toBe(2)
    const [again] = await claim(get())
    if (again === undefined) throw new Error('not claimed')
    await settle(get(), again, failed)
    await get().retry({ id: jobId(1) }, jobBegin)
    await listening.heard(6)
    expect(dueChanges()).toBe(3)
  })

  test('what changed nothing is not told', async () => {
    const job = await startJob(get())
    await settle(get(), job, succeeded)
    const listening = listen(get())
    await settle(get(), job, failed)
    await get().cancel({ id: job.id }, jobBegin, keepMs)
    await get().retry({ id: job.id }, jobBegin)
    await extend(get(), [job], jobBegin)
    await get().submit({ jobs: [jobOf(2)], bounds: { ...wide, jobsMax: 0, ownerJobsMax: 0 } })
    await claim(get())
    await submit(get(), jobOf(3))
    await listening.heard(1)
    expect(listening.changes.flatMap(({ jobs }) => jobs.map(({ id }) => id))).toEqual([jobId(3)])
  })

  test('every listener hears, and one that has stopped does not', async () => {
    const stays = listen(get())
    const stops = listen(get())
    await submit(get(), jobOf(1))
    await Promise.all([stays.heard(1), stops.heard(1)])
    stops.stop()
    stops.stop()
    await submit(get(), jobOf(2))
    await stays.heard(2)
    expect(stops.changes).toHaveLength(1)
  })

  test('a listener may call the store at once', async () => {
    const ids = new Promise<string[]>((resolve, reject) => {
      const stop = get().watch(({ isDue }) => {
        stop()
        if (!isDue) reject(new Error('nothing is due'))
        claim(get()).then((jobs) => resolve(jobs.map(({ id }) => id)), reject)
      })
    })
    await submit(get(), jobOf(1))
    expect(await ids).toEqual([jobId(1)])
  })
}
