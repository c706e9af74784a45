import { randomBytes } from 'node:crypto'
import { drawBase62 } from '../../src/core/base62.ts'
import type { NewJob } from '../../src/jobs/job.ts'
import { drawPepper, parsePeppers } from '../../src/secrets/peppers.ts'
import { createRowMacs } from '../../src/secrets/row-macs.ts'
import { openPostgresJobStore } from '../../src/storage/postgres/jobs/job-store.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { PgBoss } from './pg-boss.mjs'

/** Jobs as one of those that are compared stores them. */
export interface JobsSide {
  /** Has one accepted. Gives how many. */
  readonly submit: () => Promise<number>
  /** Claims up to 16 and ends them. Gives how many. */
  readonly work: () => Promise<number>
  /** Has so many waiting, besides those that are. */
  readonly fill: (count: number) => Promise<void>
  readonly close: () => Promise<void>
}

const claimMax = 16
const owners = 20
const filledAtOnce = 1_000
const connectionsMax = 10
const leaseMs = 60_000
const keepMs = 86_400_000
const bounds = {
  ...{ jobsMax: 100_000_000, ownerJobsMax: 100_000_000 },
  ...{ bytesMax: 2 ** 50, ownerBytesMax: 2 ** 50 },
}
const facts = {
  keyId: '7Qm2xT0bKc9Z',
  requestId: '0198a7c2-5b1e-7d3a-9f00-000000000000',
  model: 'sentiment',
  inputs: '["I love this great product, and I would buy it again"]',
}
const result = '{"label":"positive","score":0.98}'

/** @param server without a schema */
export async function openOurs(server: string): Promise<JobsSide> {
  const url = `${server}?schema=jobs`
  await prepareSchema(url)
  const macs = createRowMacs(parsePeppers(drawPepper(1), 'the benchmark'))
  const postgres = await openPostgres({ url, fault: 'store_unavailable', connectionsMax })
  const store = await openPostgresJobStore({ postgres, macs, url, node: 'bench' })
  const submit = async (count: number): Promise<number> => {
    await store.submit({ jobs: Array.from({ length: count }, newJob), bounds })
    return count
  }
  return {
    submit: () => submit(1),
    async work() {
      const now = Date.now()
      const asked = { max: claimMax, now, until: now + leaseMs, models: [facts.model], keepMs }
      const { claimed } = await store.claim(asked)
      const answers = [{ from: 0, inputs: 1, errors: 0, text: result }]
      const end = { end: 'succeeded', answers, expiresAt: now + keepMs } as const
      const ends = claimed.map(({ id, lease }) => ({ id, lease, ...end }))
      return (await store.settle(ends, now, bounds)).settled.length
    },
    fill: (count) => inPieces(count, submit),
    async close() {
      await store.close()
      await postgres.close()
    },
  }
}

let numbered = 0

function newJob(): NewJob {
  numbered += 1
  return {
    ...facts,
    ...{ id: `job_${drawBase62(22, randomBytes)}`, owner: `owner ${numbered % owners}`, kind: 'single' },
    ...{ total: 1, priority: 0, attemptsMax: 3, webhook: null, createdAt: Date.now() },
  }
}

/** @param server with no schema of its own in it */
export async function openPgBoss(server: string): Promise<JobsSide> {
  const queue = 'jobs'
  const boss = new PgBoss({
    ...{ connectionString: server, schema: 'boss', max: connectionsMax, supervise: false, schedule: false },
  })
  const errors: unknown[] = []
  boss.on('error', (error) => errors.push(error))
  await boss.start()
  await boss.createQueue(queue)
  return {
    async submit() {
      const id = await boss.send(queue, { ...facts, owner: `owner ${numbered++ % owners}` })
      if (id === null) throw new Error('pg-boss has not accepted a job')
      return 1
    },
    async work() {
      const jobs = await boss.fetch(queue, { batchSize: claimMax })
      if (jobs.length > 0)
        await boss.complete(
          queue,
          jobs.map(({ id }) => id),
          JSON.parse(result) as object,
        )
      return jobs.length
    },
    fill: (count) =>
      inPieces(count, (size) =>
        boss.insert(
          queue,
          Array.from({ length: size }, () => ({ data: { ...facts, owner: `owner ${numbered++ % owners}` } })),
        ),
      ),
    async close() {
      await boss.stop({ graceful: false })
      if (errors.length > 0) throw new AggregateError(errors, 'pg-boss had errors')
    },
  }
}

async function inPieces(count: number, add: (size: number) => Promise<unknown>): Promise<void> {
  for (let filled = 0; filled < count; filled += filledAtOnce)
    await add(Math.min(filledAtOnce, count - filled))
}
