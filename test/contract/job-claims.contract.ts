import { expect, test } from 'vitest'
import { jobLost } from '../../src/jobs/job.ts'
import {
  answered,
  askOf,
  claim,
  extend,
  find,
  type GetStore,
  idsOf,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  listIds,
  released,
  retryAt,
  settle,
  startJob,
  submit,
  succeeded,
} from './job-fixtures.ts'

/**
 * A due job has one lease at a time, owners take turns, and jobs of a dead worker go on or are
 * dead.
 */
export function testJobClaims(get: GetStore): void {
  testLeases(get)
  testOrder(get)
  testGivingWay(get)
  testLostLeases(get)
  testExtending(get)
}

function testLeases(get: GetStore): void {
  test('a claimed job runs, its attempt counted and begun now, and no other worker gets it', async () => {
    await submit(get(), jobOf(1))
    const [claimed] = await claim(get(), { now: jobBegin + 5 })
    expect(claimed).toMatchObject({
      status: 'running',
      attempts: 1,
      startedAt: jobBegin + 5,
      version: 2,
      done: 0,
    })
    expect(claimed?.lease).toEqual(expect.stringMatching(/./))
    const {
      inputs: _,
      lease: __,
      answerBytes: ___,
      ...record
    } = claimed ?? { inputs: '', lease: '', answerBytes: 0 }
    expect(await find(get(), 1)).toEqual(record)
    expect(await claim(get(), { now: jobBegin + 6 })).toEqual([])
  })

  test('no more than `max` are claimed, and the rest is left', async () => {
    await submit(get(), ...[1, 2, 3, 4, 5].map((number) => jobOf(number)))
    expect(idsOf(await claim(get(), { max: 2 }))).toEqual([1, 2])
    expect(await get().countJobs()).toEqual({ queued: 3, running: 2 })
    expect(await claim(get(), { max: 0 })).toEqual([])
    expect(idsOf(await claim(get(), { max: 9 }))).toEqual([3, 4, 5])
  })

  test('no more are claimed once their inputs have so many characters; one always is', async () => {
    const inputs = JSON.stringify(['a'.repeat(96)])
    await submit(get(), ...[1, 2, 3, 4, 5].map((number) => jobOf(number, { inputs })))
    const claimOf = (inputCharactersMax: number) => claim(get(), { inputCharactersMax })
    expect(idsOf(await claimOf(1))).toEqual([1])
    expect(idsOf(await claimOf(101))).toEqual([2, 3])
    expect(idsOf(await claimOf(1_000))).toEqual([4, 5])
  })

  test('claims that are made at once hold no job twice and leave none', async () => {
    const numbers = [...Array(100).keys()]
    await submit(get(), ...numbers.map((number) => jobOf(number, { owner: `owner ${number % 7}` })))
    const claims = await Promise.all([...Array(20).keys()].map(() => claim(get(), { max: 6 })))
    const ids = idsOf(claims.flat())
    expect(ids.toSorted((one, other) => one - other)).toEqual(numbers)
    expect(new Set(claims.flat().map(({ lease }) => lease)).size).toBe(100)
  })

  test('only jobs of the models that the worker has are claimed', async () => {
    await submit(get(), jobOf(1, { model: 'a' }), jobOf(2, { model: 'b' }), jobOf(3, { model: 'c' }))
    expect(await claim(get(), { models: [] })).toEqual([])
    expect(await claim(get(), { models: ['d'] })).toEqual([])
    expect(idsOf(await claim(get(), { models: ['c', 'a'] }))).toEqual([1, 3])
    expect(idsOf(await claim(get(), { models: ['a', 'b'] }))).toEqual([2])
  })

  test('a new job is due at once, though the clock was set back since', async () => {
    await submit(get(), jobOf(1))
    expect(idsOf(await claim(get(), { now: jobBegin - 3_600_000 }))).toEqual([1])
  })

  test('a job that is tried again is not due before its time, and then is', async () => {
    await settle(get(), await startJob(get()), retryAt(jobBegin + 500))
    expect(await claim(get(), { now: jobBegin + 499 })).toEqual([])
    expect(await claim(get(), { now: jobBegin + 500 })).toMatchObject([
      { id: jobId(1), attempts: 2, done: 0 },
    ])
  })

  test('a job that was handed back is due at once', async () => {
    await settle(get(), await startJob(get()), released)
    expect(await claim(get())).toMatchObject([{ id: jobId(1), attempts: 1 }])
  })
}

function testOrder(get: GetStore): void {
  test('of an owner’s jobs the highest priority comes first, then the oldest', async () => {
    const priorities = [0, 5, 9, 5, 0, 9]
    const jobs = priorities.map((priority, number) =>
      jobOf(number, { priority, createdAt: jobBegin + number }),
    )
    await submit(get(), ...jobs)
    expect(idsOf(await claim(get()))).toEqual([2, 5, 1, 3, 0, 4])
  })

  test('priority counts across an owner’s models, and oldest too', async () => {
    await submit(
      get(),
      jobOf(1, { model: 'a' }),
      jobOf(2, { model: 'b', createdAt: jobBegin + 1 }),
      jobOf(3, { model: 'b', priority: 1, createdAt: jobBegin + 2 }),
      jobOf(4, { model: 'a', createdAt: jobBegin + 3 }),
    )
    expect(idsOf(await claim(get(), { models: ['a', 'b'] }))).toEqual([3, 1, 2, 4])
  })

  test('jobs of one submission and one priority come in its order', async () => {
    await submit(get(), jobOf(3), jobOf(1), jobOf(2))
    expect(idsOf(await claim(get()))).toEqual([3, 1, 2])
  })

  test('a job that was tried keeps its place before younger ones', async () => {
    const first = await startJob(get())
    await submit(get(), jobOf(2, { createdAt: jobBegin + 1 }))
    await settle(get(), first, released)
    expect(idsOf(await claim(get()))).toEqual([1, 2])
  })

  test('owners take turns, one job each, whatever the number of their jobs and their priority', async () => {
    const many = [...Array(50).keys()].map((number) => jobOf(number, { owner: 'many', priority: 9 }))
    await submit(get(), ...many)
    await submit(get(), ...[50, 51].map((number) => jobOf(number, { owner: 'two' })))
    await submit(get(), jobOf(52, { owner: 'one' }))
    const owners = (await claim(get(), { max: 6 })).map(({ owner }) => owner)
    expect(owners.slice(0, 3).toSorted()).toEqual(['many', 'one', 'two'])
    expect(owners.slice(3, 5).toSorted()).toEqual(['many', 'two'])
    expect(owners.slice(5)).toEqual(['many'])
  })

  test('the owner who was served longest ago comes first, over claims of one job each', async () => {
    const owners = ['a', 'b', 'c']
    const served: string[] = []
    for (const round of [0, 1, 2, 3]) {
      await submit(get(), ...owners.map((owner, index) => jobOf(10 * round + index, { owner })))
      for (const _ of owners) served.push((await claim(get(), { max: 1 }))[0]?.owner ?? '')
    }
    const order = served.slice(0, 3)
    expect(order.toSorted()).toEqual(owners)
    expect(served).toEqual([...order, ...order, ...order, ...order])
  })

  test('an owner who comes with one job at a time takes no turn from one with thousands, nor the other way', async () => {
    await submit(get(), ...[...Array(2_000).keys()].map((number) => jobOf(number, { owner: 'many' })))
    const served: string[] = []
    for (const round of [...Array(10).keys()]) {
      await submit(get(), jobOf(10_000 + round, { owner: 'one' }))
      const [first, second] = [await claim(get(), { max: 1 }), await claim(get(), { max: 1 })].flat()
      served.push(...[first?.owner ?? '', second?.owner ?? ''].toSorted())
    }
    expect(served).toEqual([...Array(10)].flatMap(() => ['many', 'one']))
  })

  test('an owner who comes back whenever all of their jobs are forgotten gains no turn by it', async () => {
    await submit(get(), ...[1, 2, 3].map((number) => jobOf(number, { owner: 'many' })))
    await submit(get(), jobOf(100, { owner: 'one' }))
    const served: string[] = []
    for (const round of [1, 2, 3, 4, 5, 6]) {
      const [job] = await claim(get(), { max: 1 })
      if (job === undefined) throw new Error('not claimed')
      served.push(job.owner)
      await settle(get(), job, { end: 'succeeded', answers: answered('1'), expiresAt: jobBegin })
      await get().forgetExpired(jobBegin, 10)
      if (job.owner === 'one') await submit(get(), jobOf(100 + round, { owner: 'one' }))
    }
    expect(served.filter((owner) => owner === 'many')).toHaveLength(3)
  })

  test('an owner served through one model waits a turn through the others', async () => {
    await submit(get(), jobOf(1, { owner: 'a', model: 'x' }), jobOf(2, { owner: 'a', model: 'y' }))
    await submit(get(), jobOf(3, { owner: 'b', model: 'y' }))
    expect(idsOf(await claim(get(), { max: 1, models: ['x'] }))).toEqual([1])
    expect(idsOf(await claim(get(), { max: 2, models: ['x', 'y'] }))).toEqual([3, 2])
  })
}

function testGivingWay(get: GetStore): void {
  test('an owner with no place is served by the one who has most, however many owners have nothing left to do', async () => {
    await submit(get(), jobOf(1), jobOf(2))
    await claim(get())
    const gone = [...Array(100).keys()].map((number) => jobOf(100 + number, { owner: `gone ${number}` }))
    await submit(get(), ...gone)
    await Promise.all(gone.map(({ id }) => get().cancel({ id }, jobBegin, keepMs)))
    const look = async () => (await get().claim(askOf({ max: 0 }))).giveWay
    expect(await look()).toEqual([])
    await submit(get(), jobOf(3, { owner: 'globex' }))
    expect(await look()).toEqual([{ owner: 'acme', model: 'sentiment', jobs: 1 }])
  })

  test('an owner with no place is served before those who have one, however many of them wait for another', async () => {
    const owners = [...Array(100).keys()].map((number) => `owner ${number}`)
    const jobs = [...owners, ...owners].map((owner, number) => jobOf(100 + number, { owner }))
    await submit(get(), ...jobs)
    expect(await claim(get(), { max: 100 })).toHaveLength(100)
    await submit(get(), jobOf(2, { owner: 'late' }))
    const { giveWay } = await get().claim(askOf({ max: 0 }))
    expect(giveWay).toEqual([{ owner: expect.stringMatching(/^owner /), model: 'sentiment', jobs: 1 }])
  })
}

function testLostLeases(get: GetStore): void {
  test('a job whose worker died is another’s once its lease has ended, as another attempt behind what is stored', async () => {
    const job = await startJob(get(), jobOf(1, { total: 4 }))
    await extend(get(), [{ ...job, answers: answered('1,2,3', 3) }], jobBegin + leaseMs)
    expect(await claim(get(), { now: jobBegin + leaseMs - 1 })).toEqual([])
    const [again] = await claim(get(), { now: jobBegin + leaseMs })
    expect(again).toMatchObject({ id: job.id, attempts: 2, done: 3, startedAt: jobBegin + leaseMs })
    expect(again?.answerBytes).toBe(5)
    expect(again?.lease).not.toBe(job.lease)
    expect(await settle(get(), job, succeeded), 'the dead worker comes back').toBeUndefined()
    const late = { ...job, answers: answered('4', 1, 3) }
    expect((await extend(get(), [late], jobBegin + 9 * leaseMs)).lost).toEqual([job.id])
    expect(await find(get(), 1)).toMatchObject({ status: 'running', attempts: 2, result: null })
  })

  test('a job whose attempts are used up when its lease ends is dead, with `lost` as the reason, and given back', async () => {
    const job = await startJob(get(), jobOf(1, { attemptsMax: 1 }))
    const now = jobBegin + leaseMs
    const { claimed, ended } = await get().claim(askOf({ now }))
    expect(claimed).toEqual([])
    expect(ended).toEqual([await find(get(), 1, now)])
    expect(ended).toMatchObject([
      {
        status: 'dead',
        error: jobLost,
        finishedAt: now,
        expiresAt: now + keepMs,
        attempts: 1,
        version: job.version + 1,
      },
    ])
    expect(await settle(get(), job, succeeded, now), 'the lease is held no more').toBeUndefined()
    expect(await get().claim(askOf({ now: now + 1 }))).toEqual({
      claimed: [],
      ended: [],
      damaged: [],
      giveWay: [],
    })
  })

  test('what must end as dead is, beside `max` and whatever the worker’s models', async () => {
    const jobs = [1, 2, 3].map((number) => jobOf(number, { model: 'x', attemptsMax: 1 }))
    await submit(get(), ...jobs)
    await claim(get(), { models: ['x'] })
    await submit(get(), jobOf(4))
    const { claimed, ended } = await get().claim(askOf({ now: jobBegin + leaseMs, max: 1 }))
    expect(idsOf(claimed)).toEqual([4])
    expect(idsOf(ended).toSorted()).toEqual([1, 2, 3])
  })

  test('attempts never go beyond their bound, whatever ends them', async () => {
    await submit(get(), jobOf(1, { attemptsMax: 3 }))
    let now = jobBegin
    const attempts: number[] = []
    for (const _ of [1, 2, 3]) {
      attempts.push(...(await claim(get(), { now })).map((job) => job.attempts))
      now += leaseMs
    }
    expect(attempts).toEqual([1, 2, 3])
    expect((await get().claim(askOf({ now }))).ended).toMatchObject([{ attempts: 3, error: jobLost }])
  })
}

function testExtending(get: GetStore): void {
  test('an extended lease keeps its job past its first end, and no longer than its new one', async () => {
    const job = await startJob(get())
    expect(await extend(get(), [job], jobBegin + 2 * leaseMs)).toEqual({ lost: [], unstored: [] })
    expect(await claim(get(), { now: jobBegin + 2 * leaseMs - 1 })).toEqual([])
    expect(idsOf(await claim(get(), { now: jobBegin + 2 * leaseMs }))).toEqual([1])
  })

  test('progress is seen, and is a new version; without progress there is no new version', async () => {
    const job = await startJob(get(), jobOf(1, { total: 10 }))
    const until = jobBegin + leaseMs
    const progress = { ...job, answers: answered('1,2,3,4', 4) }
    await extend(get(), [progress], until)
    expect(await find(get(), 1)).toMatchObject({ done: 4, version: 3, status: 'running', result: null })
    await extend(get(), [progress], until)
    expect(await find(get(), 1)).toMatchObject({ done: 4, version: 3 })
  })

  test('of many leases those that are held no more are told, and the others last', async () => {
    const jobs = [1, 2, 3, 4].map((number) => jobOf(number))
    await submit(get(), ...jobs)
    const [one, two, three, four] = await claim(get())
    if (!one || !two || !three || !four) throw new Error('not claimed')
    await get().cancel({ id: two.id }, jobBegin, keepMs)
    await settle(get(), three, succeeded)
    const wrong = { ...four, lease: one.lease }
    const unknown = { id: jobId(9), lease: one.lease }
    const { lost } = await extend(get(), [one, two, three, wrong, unknown], jobBegin + 5 * leaseMs)
    expect(lost.toSorted()).toEqual([jobId(2), jobId(3), jobId(4), jobId(9)])
    expect(idsOf(await claim(get(), { now: jobBegin + leaseMs }))).toEqual([4])
    expect(await find(get(), 3)).toMatchObject({ status: 'succeeded' })
  })

  test('a lease that has run out stays until another worker takes the job: a slow worker loses nothing needlessly', async () => {
    const job = await startJob(get())
    expect(await claim(get(), { now: jobBegin + leaseMs, models: ['another'] })).toEqual([])
    expect((await extend(get(), [job], jobBegin + 3 * leaseMs)).lost).toEqual([])
    expect(await claim(get(), { now: jobBegin + 2 * leaseMs })).toEqual([])
    expect(await settle(get(), job, succeeded, jobBegin + 4 * leaseMs)).toMatchObject({ status: 'succeeded' })
    expect(await listIds(get(), { status: 'succeeded' })).toEqual([1])
  })
}
