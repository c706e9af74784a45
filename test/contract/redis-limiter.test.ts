import { randomUUID } from 'node:crypto'
import { createClient } from '@redis/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import { awaitedScheduler, type Scheduler } from '../../src/core/scheduler.ts'
import type { LimitUse } from '../../src/limits/limiter.ts'
import { openRedisLimiter, type RedisLimiterOptions } from '../../src/storage/redis/redis-limiter.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { redisUrl, startRedis, valkeyUrl } from '../support/services.ts'
import { beginTime, describeLimiter, useOf } from './limiter.contract.ts'

async function open(options: Partial<RedisLimiterOptions> = {}) {
  const time = beginTime()
  const { wall, steady } = time
  const limiter = await openRedisLimiter({
    ...createFleetStores(),
    url: await redisUrl(),
    deployment: randomUUID(),
    clocks: () => ({ steady: wall - steady + time.steady, wall: time.wall }),
    // What it decides is compared, and not how soon on a busy machine.
    deadlineMs: 5_000,
    ...options,
  })
  onTestFinished(() => limiter.close())
  return { limiter, time }
}

/** Has leases renewed when the test says so: its clock leaps, and the process's own does not. */
function holdRenewals() {
  const renewals: (() => void)[] = []
  const scheduler: Scheduler = {
    ...awaitedScheduler,
    after(ms, work) {
      if (ms !== 20_000) return awaitedScheduler.after(ms, work)
      renewals.push(work)
      return () => {}
    },
  }
  const renew = (): void => {
    for (const work of renewals.splice(0)) work()
  }
  return { scheduler, renew }
}

async function openRenewed(options: Partial<RedisLimiterOptions> = {}) {
  const { scheduler, renew } = holdRenewals()
  return { ...(await open({ ...options, scheduler })), runTimers: renew }
}

describeLimiter('Redis', () => openRenewed())

describeLimiter('Valkey', async () => openRenewed({ url: await valkeyUrl() }))

async function openClient(url: string) {
  const client = createClient({ url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.destroy())
  return client
}

describe('Redis', () => {
  test('counts of addresses are bounded, and neither a busy one nor a key among them is forgotten', async () => {
    await using redis = await startRedis()
    const { limiter } = await open({ url: redis.url, clocks: undefined })
    const ofAddress = (name: string) => ({ ...useOf(`address:${name}`, '3/day'), isOfAddress: true })
    const [busy, key] = [ofAddress('192.0.2.1'), useOf('key:k', '3/day')]
    for (let taken = 0; taken < 3; taken += 1) await limiter.take([busy, key])
    for (let from = 0; from < 40_000; from += 500) {
      const strangers = Array.from({ length: 500 }, (_, number) => ofAddress(`10.${from + number}`))
      await Promise.all(strangers.map((use) => limiter.take([use])))
      if (from % 5_000 === 0) expect((await limiter.take([busy])).refusal?.use).toBe(busy)
    }
    expect((await limiter.take([busy])).refusal?.use).toBe(busy)
    expect((await limiter.take([key])).refusal?.use).toBe(key)
    const client = await openClient(redis.url)
    const names = ((await client.sendCommand(['KEYS', '*'])) as string[]).map(String)
    let fields = 0
    for (const name of names.filter((one) => /young$|old$/.test(one))) fields += await client.hLen(name)
    expect(fields).toBeLessThanOrEqual(32_768)
    expect(fields).toBeGreaterThan(16_384)
    // The epoch, the key's own limit, and two generations.
    expect(names.length).toBeLessThanOrEqual(4)
  })

  test('nothing that it writes stays for ever, but the epoch', async () => {
    await using redis = await startRedis()
    const { limiter } = await open({ url: redis.url, clocks: undefined })
    const texts = ['3/s', '100/s', '5 concurrent', '3/h', '3/calendar day', '90 tokens/min']
    const address = { ...useOf('address:192.0.2.1', '3/s'), isOfAddress: true }
    const uses = [...texts.map((text) => useOf('key:a', text)), address]
    const { at } = await limiter.take(uses)
    await limiter.settle(uses, at, [1, 1, 0, 0, 0, 0, 1])
    const client = await openClient(redis.url)
    const names = ((await client.sendCommand(['KEYS', '*'])) as string[]).map(String)
    const lives = await Promise.all(names.map((name) => client.pTTL(name)))
    expect(names.filter((_, index) => lives[index] === -1)).toEqual([expect.stringMatching(/epoch$/)])
  })

  test('a lease ends by itself where its node does not renew it, and stays while it does', async () => {
    const { scheduler, renew } = holdRenewals()
    const { limiter, time } = await open({ scheduler })
    const use = useOf('key:a', '1 concurrent')
    const { at } = await limiter.take([use])
    const pass = (ms: number): void => {
      time.steady += ms
      time.wall += ms
    }
    for (let renewed = 0; renewed < 6; renewed += 1) {
      pass(20_000)
      renew()
      expect((await limiter.take([use])).refusal?.use).toBe(use)
    }
    pass(60_000)
    expect((await limiter.take([use])).refusal).toBeUndefined()
    // The first lease has ended: what is given back now is none of the second’s.
    await limiter.settle([use], at, [0])
    expect((await limiter.peek([use])).states).toMatchObject([{ remaining: 0 }])
  })

  test('as many at once as one use may take are given back together', async () => {
    const { limiter } = await open()
    const use = { ...useOf('key:a', '1024 concurrent'), cost: 1_024 }
    const { at, refusal } = await limiter.take([use])
    expect(refusal).toBeUndefined()
    await limiter.settle([use], at, [0])
    expect((await limiter.peek([use])).states).toMatchObject([{ remaining: 1_024 }])
  })

  test.each([
    [16, 1],
    [1_000, 2],
  ])(
    '%i that meet a long limit at once, of which Redis knows nothing, have room by %i writes at most',
    async (count, writes) => {
      const stores = createFleetStores()
      const { limiter } = await open(stores)
      const use = useOf('key:a', '1000000/day')
      const taken = await Promise.all(Array.from({ length: count }, () => limiter.take([use])))
      expect(taken.every(({ refusal }) => refusal === undefined)).toBe(true)
      expect(stores.rows.get(use.counter)?.version).toBeLessThanOrEqual(writes)
    },
  )

  test('nodes count together, and what one holds at once another cannot take', async () => {
    const shared = { deployment: randomUUID(), ...createFleetStores(), clocks: undefined }
    const nodes = [await open(shared), await open(shared), await open(shared)].map(({ limiter }) => limiter)
    const uses = [useOf('owner:o', '100/min'), useOf('key:k', '200/h')]
    const taken = await Promise.all(
      Array.from({ length: 1_000 }, (_, number) => nodes[number % 3]?.take(uses)),
    )
    expect(taken.filter((one) => one?.refusal === undefined)).toHaveLength(100)
    const atOnce = useOf('key:k', '2 concurrent')
    const first = await nodes[0]?.take([atOnce])
    await nodes[1]?.take([atOnce])
    expect((await nodes[2]?.take([atOnce]))?.refusal).toBeDefined()
    await nodes[0]?.settle([atOnce], first?.at ?? 0, [0])
    expect((await nodes[2]?.take([atOnce]))?.refusal).toBeUndefined()
  })

  test('what one node reserved for a job another settles, by what was stored of it', async () => {
    const shared = { deployment: randomUUID(), ...createFleetStores(), clocks: undefined }
    const { limiter: accepting } = await open(shared)
    const { limiter: running } = await open(shared)
    const uses = ['9000 tokens/min', '9000 tokens/h', '9000 tokens/calendar day'].map((text) =>
      useOf('key:k', text, 4_000),
    )
    const stored = JSON.stringify({ uses, at: (await accepting.take(uses)).at })
    await accepting.take(uses)
    const taken = JSON.parse(stored) as { readonly uses: readonly LimitUse[]; readonly at: number }
    await running.settle(
      taken.uses,
      taken.at,
      uses.map(() => 100),
    )
    for (const limiter of [accepting, running]) {
      const { states } = await limiter.peek(uses)
      expect(states.map(({ remaining }) => remaining)).toEqual(uses.map(() => 9_000 - 4_100))
    }
  })

  test.each([
    ['share', 3, [true, true, true, false]],
    ['share', 40, [false, false, false, false]],
    ['open', 3, [true, true, true, true]],
  ] as const)(
    'while Redis is out, `%s` of %i nodes counts what it may, and never a long limit',
    async (loss, nodes, passes) => {
      await using redis = await startRedis()
      const degraded: unknown[] = []
      const { limiter } = await open({
        url: redis.url,
        clocks: undefined,
        loss,
        liveNodes: () => nodes,
        onDegraded: (fault) => degraded.push(fault),
      })
      const [short, long] = [useOf('key:a', '9/min'), useOf('key:a', '9/h')]
      expect((await limiter.take([short, long])).refusal).toBeUndefined()
      expect(limiter.isOut?.()).toBe(false)
      await redis.stop()
      const taking = async () => {
        try {
          return (await limiter.take([short])).refusal === undefined
        } catch (fault) {
          expect(fault).toBeInstanceOf(Fault)
          return false
        }
      }
      const taken: boolean[] = []
      for (let times = 0; times < 4; times += 1) taken.push(await taking())
      expect(taken).toEqual(passes)
      if (nodes === 3) expect(degraded.length).toBe(4)
      expect(limiter.isOut?.()).toBe(true)
      await expect(limiter.take([short, long])).rejects.toMatchObject({ code: 'limiter_unavailable' })
    },
  )
})
