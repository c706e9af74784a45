import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OwnService, startRedis } from '../support/services.ts'
import { ask, healthStatus, readyStatus, runRedis, until, untilWaits } from './ask-node.ts'
import { openTestFleet, type TestFleet } from './open-fleet.ts'
import type { ServeProcess } from './run-cli.ts'

let redis: OwnService
let fleet: TestFleet
let node: ServeProcess
/** Of a key without limits, and of one with a short, a long and a calendar limit each. */
const keys = { free: '', short: '', long: '', month: '' }

const order = (...commands: readonly string[]): Promise<readonly string[]> => runRedis(redis.url, ...commands)

beforeAll(async () => {
  redis = await startRedis()
  fleet = await openTestFleet({ redisUrl: redis.url })
  node = await fleet.start('--limit-default', 'none')
  keys.free = (await fleet.createKey()).key
  // A window of seconds, so that its end can be waited for.
  keys.short = (await fleet.createKey('--limit', '1000/3s')).key
  keys.long = (await fleet.createKey('--limit', '1000/day')).key
  keys.month = (await fleet.createKey('--limit', '1000/calendar month')).key
})
afterAll(async () => {
  for (const opened of [node, fleet, redis]) await opened?.[Symbol.asyncDispose]()
})

const counted = (): readonly string[] => [keys.short, keys.long, keys.month]

/** How often the log names an event. */
function countEvents(name: string): number {
  return node.log().split(`"${name}"`).length - 1
}

/** How often the log says that Redis has lost what it counted: by itself, or as an outage ends. */
function countForgot(): number {
  return node.log().match(/"limiter\.forgot"|"limiter\.back".*"forgot":true/g)?.length ?? 0
}

/** The last word about whether Redis is out. */
function lastOfOutage(): string | undefined {
  return node
    .log()
    .match(/"limiter\.(?:unreachable|back)"/g)
    ?.at(-1)
    ?.replaceAll('"', '')
}

describe('Redis', () => {
  test.each<readonly [string, () => Promise<unknown>, () => Promise<unknown>]>([
    [
      'out of memory',
      () => order('CONFIG SET maxmemory-policy noeviction', 'CONFIG SET maxmemory 1'),
      () => order('CONFIG SET maxmemory 0'),
    ],
    // A primary that is not there: what it has counted stays.
    ['a replica', () => order('REPLICAOF 127.0.0.1 1'), () => order('REPLICAOF NO ONE')],
    [
      'with a new password',
      async () => {
        const changed = redis.url.replace(/:[^:@]+@/, ':another@')
        await order('CONFIG SET requirepass another')
        // Connections that are there were let in with the old one.
        await runRedis(changed, 'CLIENT KILL TYPE normal')
      },
      async () => {
        const { password } = new URL(redis.url)
        await runRedis(redis.url.replace(/:[^:@]+@/, ':another@'), `CONFIG SET requirepass ${password}`)
      },
    ],
  ])(
    '%s: 503 limiter_unavailable for limits, all else goes on; said once, and by itself it ends',
    async (_what, begin, end) => {
      for (const key of counted()) await until(node, key, { status: 200 })
      await begin()
      try {
        for (const key of counted()) {
          const answer = await ask(node, key)
          expect(answer).toMatchObject({ status: 503, code: 'limiter_unavailable' })
          expect(answer.ms).toBeLessThan(2_000)
        }
        expect(await ask(node, keys.free)).toMatchObject({ status: 200 })
        expect([await healthStatus(node), await readyStatus(node)]).toEqual([200, 503])
        await fleet.createKey()
        // Several outages within a minute are one: it is not said to be over.
        await expect.poll(lastOfOutage).toBe('limiter.unreachable')
      } finally {
        await end()
      }
      // Nothing was forgotten: short windows do not wait either.
      for (const key of counted()) await until(node, key, { status: 200 })
      await expect.poll(() => readyStatus(node)).toBe(200)
      expect(countEvents('limiter.forgot')).toBe(0)
    },
  )

  test.each<readonly [string, boolean, () => Promise<unknown>]>([
    ['flushed', false, () => order('FLUSHALL')],
    [
      'evicted from',
      false,
      async () => {
        const many = Array.from({ length: 300 }, (_, index) => `SET other${index} ${'x'.repeat(10_000)}`)
        await order(...many.slice(0, 100), 'CONFIG SET maxmemory-policy allkeys-lru')
        await order('CONFIG SET maxmemory 2500000', ...many.slice(100), 'CONFIG SET maxmemory 0')
      },
    ],
    [
      'killed and started empty',
      true,
      async () => {
        redis.kill()
        await redis.start()
      },
    ],
  ])(
    '%s: windows below an hour wait for one window, longer ones go on',
    async (_what, isOutage, lose) => {
      for (const key of counted()) await until(node, key, { status: 200 })
      const { key } = await fleet.createKey('--limit', '1000/min')
      const forgot = countForgot()
      await lose()
      // A loss is found by one that is counted, or within a second.
      await untilWaits(node, key)
      for (const longer of [keys.long, keys.month, keys.free]) await until(node, longer, { status: 200 })
      await until(node, keys.short, { status: 200 })
      // What comes with an outage, its end says, a minute after the last one's; so it is where
      // a slow machine had one of its own.
      if (!isOutage) await expect.poll(countForgot, { timeout: 90_000 }).toBe(forgot + 1)
    },
    180_000,
  )
})
