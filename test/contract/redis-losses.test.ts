import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { LimitUse } from '../../src/limits/limiter.ts'
import { createEpochTable } from '../../src/storage/postgres/limits/epoch-table.ts'
import { createKeptUsesTable } from '../../src/storage/postgres/limits/kept-uses.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { openRedisLimiter, type RedisLimiter } from '../../src/storage/redis/redis-limiter.ts'
import { openTestSchema, startRedis, unhurried } from '../support/services.ts'
import { useOf } from './limiter.contract.ts'

const short = ['2/s', '3/10s', '5/min', '70/min']
const long = ['4/h', '40/2h', '100/3h', '700/day', '6/calendar day', '300/calendar month']
const limits = [...short, ...long]
const dayMs = 86_400_000

const step = fc.oneof(
  {
    weight: 80,
    arbitrary: fc.record({
      do: fc.constant('take' as const),
      which: fc.uniqueArray(fc.nat(limits.length - 1), { minLength: 1, maxLength: 3 }),
      times: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 48,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 9_000 }),
        fc.integer({ min: 1, max: 70_000 }),
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 4_000_000 }) },
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('save', 'flush', 'kill', 'restore') }) },
)

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

/** Three nodes, one Redis that is harmed, and what was admitted. */
async function openFleet() {
  const redis = await startRedis()
  const { url, drop } = await openTestSchema()
  const postgres = await openPostgres({ ...unhurried, url, fault: 'store_unavailable' })
  const time = { now: Date.UTC(2026, 0, 30, 12) }
  const nodes: RedisLimiter[] = []
  const deployment = randomUUID()
  for (let node = 0; node < 3; node += 1)
    nodes.push(
      await openRedisLimiter({
        url: redis.url,
        deployment,
        epochs: createEpochTable(postgres),
        kept: createKeptUsesTable(postgres),
        clocks: () => ({ steady: time.now, wall: time.now }),
        // A take that is late may have been counted: it would look like a loss.
        deadlineMs: 5_000,
      }),
    )
  const client = createClient({ url: redis.url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  const [, folder] = (await client.sendCommand(['CONFIG', 'GET', 'dir'])) as [string, string]
  onTestFinished(async () => {
    client.destroy()
    await Promise.all(nodes.map((node) => node.close()))
    await postgres.close()
    await drop()
    await redis[Symbol.asyncDispose]()
  })
  async function untilReady(): Promise<void> {
    // It has no event for each: nothing but asking tells when it can be counted in.
    for (const node of nodes)
      await expect.poll(() => node.isReady(), { interval: 5, timeout: 30_000 }).toBe(true)
  }
  const command = (...args: string[]) => client.sendCommand(args).catch(() => undefined)
  async function restart(): Promise<void> {
    redis.kill()
    await redis.start()
    await untilReady()
  }
  const harm = {
    save: async () => void (await command('SAVE')),
    flush: async () => {
      await command('FLUSHALL')
      // Somebody has to ask for it to be seen.
      for (const node of nodes) await node.isReady()
      await untilReady()
    },
    /** It comes back empty. */
    kill: async () => {
      rmSync(join(folder, 'dump.rdb'), { force: true })
      await restart()
    },
    /** It comes back as it was when it was saved. */
    restore: restart,
  }
  return { nodes, time, harm }
}

/**
 * Of 250 to 450 steps each. `REDIS_LOSSES=36` plays more than ten thousand steps, in two
 * minutes.
 */
const histories = Number(process.env['REDIS_LOSSES'] ?? 4)

test('no window and no day ever lets in more than its limit, whatever Redis has lost, and a loss costs a long limit 1/64 at most', async () => {
  const { nodes, time, harm } = await openFleet()
  let steps = 0
  let admittedInAll = 0
  let closed = 0
  let losses = 0
  const play = async (history: readonly Step[]): Promise<void> => {
    const subject = `key:${randomUUID()}`
    const uses = limits.map((text) => useOf(subject, text))
    const admitted = uses.map(() => [] as number[])
    let lossesHere = 0
    const usedOf = (index: number): number => {
      const { limit } = uses[index] as LimitUse
      const since =
        limit.kind === 'window'
          ? time.now - limit.windowMs
          : (limit.kind === 'calendar' && limit.period === 'month'
              ? Date.UTC(new Date(time.now).getUTCFullYear(), new Date(time.now).getUTCMonth())
              : Math.floor(time.now / dayMs) * dayMs) - 1
      return (admitted[index] ?? []).filter((at) => at > since).length
    }
    const take = async (node: RedisLimiter, which: readonly number[]): Promise<void> => {
      try {
        const asked = which.map((index) => uses[index] as LimitUse)
        const { refusal, at } = await node.take(asked)
        if (refusal !== undefined) return
        expect(at).toBe(time.now)
        admittedInAll += 1
        for (const index of which) admitted[index]?.push(at)
      } catch (fault) {
        expect(fault).toMatchObject({ code: 'limiter_unavailable' })
        closed += 1
      }
    }
    for (const one of history) {
      steps += 1
      if (one.do === 'wait') time.now += one.ms
      else if (one.do === 'take') {
        await Promise.all(
          Array.from({ length: one.times }, (_, turn) =>
            take(nodes[turn % nodes.length] as RedisLimiter, one.which),
          ),
        )
        for (const [index, use] of uses.entries()) expect(usedOf(index)).toBeLessThanOrEqual(use.limit.amount)
      } else {
        await harm[one.do]()
        if (one.do === 'save') continue
        losses += 1
        lossesHere += 1
        for (let index = short.length; index < limits.length; index += 1) {
          const use = uses[index] as LimitUse
          const [state] = (await (nodes[0] as RedisLimiter).peek([use])).states
          const left = use.limit.amount - usedOf(index)
          expect(state?.remaining).toBeLessThanOrEqual(left)
          // In slots a use counts up to 1/64 of its window longer, as ever.
          if (use.limit.amount <= 64 || use.limit.kind === 'calendar')
            expect(state?.remaining).toBeGreaterThanOrEqual(
              left - lossesHere * Math.ceil(use.limit.amount / 64),
            )
        }
      }
    }
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 250, maxLength: 450 }), play), {
    numRuns: histories,
    endOnFailure: true,
  })
  expect(steps).toBeGreaterThan(250 * histories)
  expect(losses).toBeGreaterThan(2 * histories)
  expect(admittedInAll).toBeGreaterThan(100 * histories)
  expect(closed).toBeGreaterThan(10 * histories)
}, 300_000)
