import { randomUUID } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import { expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import { openRedisLimiter, type RedisLimiter } from '../../src/storage/redis/redis-limiter.ts'
import { collectEvents } from '../support/collect-events.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { findProgram, startRedis } from '../support/services.ts'
import { useOf } from './limiter.contract.ts'

const windowMs = 1_000
const short = useOf('key:a', '6/s')
const long = useOf('key:a', '100000/day')
/** More than a busy machine takes, and less than a clock is set by that counts as set. */
const deadlineMs = 1_500

/** A Redis whose clock the test sets, in seconds ahead. */
async function startWithClock() {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-clock-'))
  const file = join(folder, 'clock')
  const setClock = (seconds: number): void => {
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`)
    renameSync(`${file}.new`, file)
  }
  setClock(0)
  const env = {
    // Redis' own allocator asks for the time before the library is ready: libc's in its place.
    LD_PRELOAD: `${await findProgram('faketime')} libc.so.6`,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  const redis = await startRedis({}, { env })
  onTestFinished(async () => {
    await redis[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  return { url: redis.url, setClock }
}

interface Admitted {
  readonly sentAt: number
  readonly answeredAt: number
}

/** Takes as fast as it can until it is stopped; a fault is an outage of the limiter. */
async function takeAll(limiter: RedisLimiter, admitted: Admitted[], stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    const sentAt = performance.now()
    try {
      const { refusal } = await limiter.take([short])
      if (refusal === undefined) admitted.push({ sentAt, answeredAt: performance.now() })
    } catch (error) {
      expect(error).toBeInstanceOf(Fault)
      expect(error).toMatchObject({ code: 'limiter_unavailable' })
    }
    // By Redis' own clock a window has to pass: two takes in a moment of it would say no more.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Redis counts whole milliseconds, and a window may lack a part of one at each of its ends. */
const roundedMs = 2

/** Most that were certainly counted within one window. */
function mostInWindow(admitted: readonly Admitted[]): number {
  const certain = ({ sentAt }: Admitted): number =>
    admitted.filter((other) => other.sentAt >= sentAt && other.answeredAt < sentAt + windowMs - roundedMs)
      .length
  return Math.max(0, ...admitted.map(certain))
}

test('Redis’ clock is set ahead and back, by seconds and hours: no window lets in more, and each time it is counted again', async () => {
  const { url, setClock } = await startWithClock()
  const [stores, deployment] = [createFleetStores(), randomUUID()]
  const { telemetry, names } = collectEvents()
  const open = (): Promise<RedisLimiter> =>
    openRedisLimiter({ url, deployment, ...stores, telemetry, deadlineMs })
  const nodes = [await open(), await open()]
  const admitted: Admitted[] = []
  const stopping = new AbortController()
  const taking = nodes.map((node) => takeAll(node, admitted, stopping.signal))
  const countForgot = (): number => names.filter((name) => name === 'limiter.forgot').length
  for (const seconds of [3, 0, 3_600, -7_200, 0]) {
    const before = admitted.length
    await expect.poll(() => admitted.length, { timeout: 20_000 }).toBeGreaterThan(before)
    const [forgot, inTime] = [countForgot(), admitted.length]
    setClock(seconds)
    // Both nodes see it, and admit again when a window has passed.
    await expect.poll(countForgot, { timeout: 20_000 }).toBeGreaterThanOrEqual(forgot + 2)
    await expect.poll(() => admitted.length, { timeout: 20_000 }).toBeGreaterThan(inTime)
    for (const node of nodes) expect((await node.take([long])).refusal).toBeUndefined()
  }
  stopping.abort()
  await Promise.all(taking)
  for (const node of nodes) await node.close()
  expect(admitted.length).toBeGreaterThan(20)
  expect(mostInWindow(admitted)).toBeLessThanOrEqual(short.limit.amount)
})

test('Redis’ clock is set ahead and back, and what it has is flushed, while nothing is taken: each time it is seen', async () => {
  const { url, setClock } = await startWithClock()
  const { telemetry, names } = collectEvents()
  const limiter = await openRedisLimiter({
    ...{ url, deployment: randomUUID(), ...createFleetStores(), telemetry, deadlineMs },
  })
  const countForgot = (): number => names.filter((name) => name === 'limiter.forgot').length
  const client = createClient({ url, RESP: 2 })
  await client.connect()
  // From here on it knows what Redis' clock shows.
  await limiter.peek([long])
  const happenings = [() => setClock(3_600), () => setClock(0), () => client.flushAll()]
  for (const happen of happenings) {
    const forgot = countForgot()
    await happen()
    await expect.poll(countForgot, { timeout: 20_000 }).toBeGreaterThan(forgot)
    await expect.poll(() => limiter.isReady(), { timeout: 20_000 }).toBe(true)
  }
  client.destroy()
  await limiter.close()
})
