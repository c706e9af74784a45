import { describe, expect, test, vi } from 'vitest'
import type { JobStore } from '../../src/storage/job-store.ts'
import type { Postgres } from '../../src/storage/postgres/postgres.ts'
import { runSql } from '../e2e/ask-node.ts'
import { openPostgresJobs } from '../support/postgres-jobs.ts'
import { startPostgres } from '../support/services.ts'
import { startProcess } from './child-process.ts'
import {
  askOf,
  claim,
  extend,
  find,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  reservationOf,
  settle,
  startJob,
  submit,
  succeeded,
  unavailable,
  wide,
} from './job-fixtures.ts'

/** Counts the statements that accept jobs, from now on. */
function countStatements(postgres: Postgres): () => number {
  const query = vi.spyOn(postgres, 'query')
  return () => query.mock.calls.filter(([text]) => text.includes('submit_jobs')).length
}

describe('jobs while PostgreSQL is in trouble', () => {
  test('a server that is frozen is a fault for each call within its time, however many wait; thawed, all goes on', async () => {
    await using server = await startPostgres()
    const { stores, postgres } = await openPostgresJobs(1, server.url)
    const [store] = stores
    const job = await startJob(store)
    await submit(store, jobOf(2))
    const asked = countStatements(postgres)
    server.freeze()
    const large = JSON.stringify(['x'.repeat(200_000)])
    const calls = [
      ...Array.from({ length: 60 }, (_, number) => submit(store, jobOf(10 + number, { inputs: large }))),
      ...Array.from({ length: 30 }, () => extend(store, [job], jobBegin + 9 * leaseMs)),
      ...Array.from({ length: 30 }, () => find(store, 1)),
      settle(store, job, succeeded),
      store.claim(askOf()),
      store.cancel({ id: jobId(2) }, jobBegin, keepMs),
      store.reserve(reservationOf(), jobBegin, wide),
      store.listJobs({ limit: 1, now: jobBegin }),
      store.countJobs(),
      store.forgetExpired(jobBegin, 1),
      store.listDeliveries({ limit: 1 }),
    ]
    const outcomes = await Promise.allSettled(calls)
    // Each takes its whole time: with one for every call that waits, the last would wait a minute.
    expect(asked()).toBeLessThan(3)
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable })
    server.thaw()
    await submit(store, jobOf(3))
    expect(await find(store, 1)).toMatchObject({ status: 'running' })
  })

  test('a server that only reads refuses each change, reads go on, and changes once it writes', async () => {
    await using server = await startPostgres()
    const { stores, postgres } = await openPostgresJobs(1, server.url)
    const [store] = stores
    const job = await startJob(store)
    const setReadOnly = async (to: 'on' | 'off') => {
      await runSql(
        server.url,
        `ALTER SYSTEM SET default_transaction_read_only = ${to}`,
        'SELECT pg_reload_conf()',
      )
      const read = 'SHOW default_transaction_read_only'
      await expect
        .poll(async () => Promise.all([1, 2, 3, 4].map(() => postgres.query(read))))
        .toEqual([1, 2, 3, 4].map(() => [{ default_transaction_read_only: to }]))
    }
    await setReadOnly('on')
    const calls = [
      () => submit(store, jobOf(2)),
      () => settle(store, job, succeeded),
      () => extend(store, [job], jobBegin + leaseMs),
      () => store.reserve(reservationOf(), jobBegin, wide),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject(unavailable)
    expect(await find(store, 1)).toMatchObject({ status: 'running' })
    await setReadOnly('off')
    expect(await settle(store, job, succeeded)).toMatchObject({ status: 'succeeded' })
  })

  test('SIGKILL of the server under load: what was accepted is there, and no job ends twice', async () => {
    await using server = await startPostgres()
    const { stores } = await openPostgresJobs(3, server.url)
    const accepted: string[] = []
    const ended = new Map<string, number>()
    let [number, isStopped] = [0, false]
    const submitAll = async (store: JobStore): Promise<void> => {
      while (!isStopped) {
        number += 1
        const job = jobOf(number, { owner: `owner ${number % 5}`, attemptsMax: 1_000 })
        const outcome = await store.submit({ jobs: [job], bounds: wide }).catch(() => undefined)
        if (outcome?.outcome === 'accepted') accepted.push(job.id)
      }
    }
    const work = async (store: JobStore): Promise<void> => {
      while (!isStopped) {
        const now = jobBegin + number
        const ask = askOf({ now, until: now + 500, max: 8 })
        const { claimed } = await store.claim(ask).catch(() => ({ claimed: [] }))
        // An end that is not heard is sent again: it counts once.
        for (const job of claimed)
          for (let isHeard = false; !isHeard; )
            try {
              if ((await settle(store, job, succeeded, now)) !== undefined)
                ended.set(job.id, (ended.get(job.id) ?? 0) + 1)
              isHeard = true
            } catch {
              if (isStopped) break
            }
      }
    }
    const running = stores.flatMap((store) => [submitAll(store), submitAll(store), work(store)])
    for (let kills = 1; kills <= 4; kills += 1) {
      await expect.poll(() => accepted.length, { timeout: 30_000 }).toBeGreaterThan(kills * 100)
      server.kill()
      await server.start()
    }
    await expect.poll(() => accepted.length, { timeout: 30_000 }).toBeGreaterThan(500)
    isStopped = true
    await Promise.all(running)
    const [store] = stores
    const found = await Promise.all(accepted.map((id) => store.findJob({ id }, jobBegin)))
    expect(found.filter((job) => job === undefined)).toEqual([])
    expect([...ended.values()].filter((times) => times > 1)).toEqual([])
    const byId = new Map(found.flatMap((job) => (job === undefined ? [] : [[job.id, job] as const])))
    for (const id of ended.keys()) expect(byId.get(id)?.status ?? 'succeeded').toBe('succeeded')
  })

  test('SIGKILL of workers at any moment: each attempt at a job is one worker’s, and each job ends once', async () => {
    const { stores, url } = await openPostgresJobs()
    const [store] = stores
    const total = 600
    const jobs = Array.from({ length: total }, (_, number) =>
      jobOf(number, { owner: `owner ${number % 7}`, attemptsMax: 1_000 }),
    )
    for (let from = 0; from < total; from += 100) await submit(store, ...jobs.slice(from, from + 100))
    const said: string[] = []
    const count = async (): Promise<number> => {
      const { queued, running } = await store.countJobs()
      return queued + running
    }
    const isDone = async (): Promise<void> => {
      await expect.poll(count, { timeout: 60_000 }).toBe(0)
    }
    const done = isDone()
    const lane = async (lane: number): Promise<void> => {
      // Each is killed after some lines, wherever it is then; the last one goes on to the end.
      for (const lines of [20, 35, 50, 65].map((lines) => lines + 7 * lane)) {
        const child = startProcess('work-jobs', url, `${lane}.${lines}`)
        await Promise.race([child.waitForLines(lines), done])
        said.push(...(await child.kill()))
      }
      const last = startProcess('work-jobs', url, `${lane}.last`)
      await done
      last.tell('stop')
      said.push(...(await last.ended))
    }
    await Promise.all([0, 1, 2, 3].map(lane))
    const claims = said.filter((line) => line.startsWith('claimed'))
    expect(new Set(claims).size).toBe(claims.length)
    const ends = said.filter((line) => line.startsWith('settled'))
    expect(new Set(ends).size).toBe(ends.length)
    const { jobs: left } = await store.listJobs({ limit: 1_000, now: jobBegin })
    expect(left.filter(({ status }) => status === 'succeeded')).toHaveLength(total)
    expect(await claim(store)).toEqual([])
  })
})
