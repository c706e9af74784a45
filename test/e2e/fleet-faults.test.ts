import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { findFreePort, type OwnService, startPostgres, startRedis } from '../support/services.ts'
import { ask, healthStatus, readyStatus, until, untilWaits } from './ask-node.ts'
import { openTestFleet, predict, type TestFleet } from './open-fleet.ts'
import { type ServeProcess, spawnCli } from './run-cli.ts'

let postgres: OwnService
let redis: OwnService
let fleet: TestFleet
let node: ServeProcess
/** Of a key without limits, and of one with a short, a long and a calendar limit each. */
const keys = { free: '', short: '', long: '', month: '' }

beforeAll(async () => {
  postgres = await startPostgres()
  redis = await startRedis()
  fleet = await openTestFleet({ databaseUrl: postgres.url, redisUrl: redis.url })
  node = await fleet.start('--limit-default', 'none', '--job-lease', '5s')
  keys.free = (await fleet.createKey()).key
  keys.short = (await fleet.createKey('--limit', '1000/min')).key
  keys.long = (await fleet.createKey('--limit', '1000/day')).key
  keys.month = (await fleet.createKey('--limit', '1000/calendar month')).key
})
afterAll(async () => {
  await node?.[Symbol.asyncDispose]()
  await fleet?.[Symbol.asyncDispose]()
  await postgres?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

describe('while PostgreSQL is out', () => {
  afterEach(async () => {
    await expect.poll(() => readyStatus(node)).toBe(200)
    await until(node, keys.free, { status: 200 })
  })

  async function expectOut(): Promise<void> {
    // The first finds out, by the deadline of a commit.
    const first = await ask(node, keys.free)
    expect(first).toMatchObject({ status: 503, code: 'ledger_unavailable' })
    expect(first.ms).toBeLessThan(4_000)
    expect(await ask(node, keys.free)).toMatchObject({ status: 503 })
    await expect.poll(() => readyStatus(node)).toBe(503)
    expect(await healthStatus(node)).toBe(200)
  }

  test('killed: 503, and by itself it ends', async () => {
    expect((await ask(node, keys.free)).status).toBe(200)
    postgres.kill()
    await expectOut()
    await postgres.start()
  })

  test('frozen: 503 within the deadline, and by itself it ends', async () => {
    expect((await ask(node, keys.free)).status).toBe(200)
    postgres.freeze()
    await expectOut()
    postgres.thaw()
  })
})

describe('while Redis is out', () => {
  test('killed: limits are 503, keys without limits go on; then short windows wait for one window, long ones go on', async () => {
    for (const key of Object.values(keys)) await until(node, key, { status: 200 })
    redis.kill()
    for (const key of [keys.short, keys.long, keys.month]) {
      const answer = await ask(node, key)
      expect(answer).toMatchObject({ status: 503, code: 'limiter_unavailable' })
      expect(answer.ms).toBeLessThan(2_000)
    }
    expect((await ask(node, keys.free)).status).toBe(200)
    await redis.start()
    for (const key of [keys.long, keys.month, keys.free]) await until(node, key, { status: 200 })
    await untilWaits(node, keys.short)
  })

  test('frozen: limits are 503 in time, then at once, and go on when it answers', async () => {
    await until(node, keys.long, { status: 200 })
    redis.freeze()
    expect(await ask(node, keys.long)).toMatchObject({ status: 503, code: 'limiter_unavailable' })
    const next = await ask(node, keys.long)
    expect(next).toMatchObject({ status: 503, code: 'limiter_unavailable' })
    expect((await ask(node, keys.free)).status).toBe(200)
    redis.thaw()
    await until(node, keys.long, { status: 200 })
  })
})

test('after its database was restored, a fleet forgets what Redis has counted: short windows wait, long ones go on', async () => {
  const { key } = await fleet.createKey('--limit', '1000/5s', '--limit', '1000/day')
  const daily = (await fleet.createKey('--limit', '1000/day')).key
  // The windows of the losses before have to be over, for it to say anything.
  await until(node, key, { status: 200 })
  await fleet.run('limits', 'reset-epoch')
  await until(node, key, { code: 'limiter_unavailable' })
  await until(node, daily, { status: 200 })
})

test('a node that is killed is gone, its jobs are run by another, and its ledger is whole', async () => {
  const slow = await fleet.start('--limit-default', 'none', '--job-lease', '5s')
  const headers = { prefer: 'respond-async' }
  const ids = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const accepted = await predict(slow, keys.free, headers)
      expect(accepted.status).toBe(202)
      return ((await accepted.json()) as { readonly id: string }).id
    }),
  )
  slow.child.kill('SIGKILL')
  for (const id of ids) {
    const url = `${node.address}/jobs/${id}?wait=55`
    const shown = await fetch(url, { headers: { 'x-api-key': keys.free } })
    expect(await shown.json()).toMatchObject({ id, status: 'succeeded' })
  }
  expect(await fleet.run('ledger', 'verify')).toMatchObject({ ok: true })
})

test('a node that starts before its stores answers 503, and serves once they are there', async () => {
  postgres.kill()
  const port = await findFreePort()
  const child = spawnCli(['serve', '--port', String(port), '--limit-default', 'none'], { env: fleet.env })
  try {
    const early = { address: `http://127.0.0.1:${port}` }
    const status = (path: string): Promise<number> =>
      fetch(early.address + path).then(
        (answer) => answer.status,
        () => 0,
      )
    await expect.poll(() => status('/health')).toBe(200)
    expect(await status('/ready')).toBe(503)
    expect((await predict(early, keys.free)).status).toBe(503)
    await postgres.start()
    await expect.poll(() => status('/ready')).toBe(200)
    await until(early, keys.free, { status: 200 })
  } finally {
    child.kill('SIGKILL')
  }
})
