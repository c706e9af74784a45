import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { openRedisLimiter } from '../../src/storage/redis/redis-limiter.ts'
import { collectEvents } from '../support/collect-events.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { redisUrl } from '../support/services.ts'
import { useOf } from './limiter.contract.ts'

const use = useOf('key:a', '1000/min')

async function open() {
  const { telemetry, names } = collectEvents()
  const stores = createFleetStores()
  const limiter = await openRedisLimiter({
    ...{ url: await redisUrl(), deployment: randomUUID(), telemetry },
    ...stores,
  })
  onTestFinished(() => limiter.close())
  return { limiter, names }
}

/** Keeps this thread from all else, as work or a collection of garbage does. */
function beBusy(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('a thread that is busy for longer than Redis has, before its call is written, is counted all the same', async () => {
  const { limiter } = await open()
  for (let again = 0; again < 5; again += 1) {
    const taking = limiter.take([use])
    // By now it is with the driver, which writes it when this turn of the event loop is over.
    await Promise.resolve()
    beBusy(400)
    expect((await taking).refusal).toBeUndefined()
  }
})

test('a thread that is busy for longer than clocks may deviate takes Redis for no one whose clock was set', async () => {
  const { limiter, names } = await open()
  await limiter.take([use])
  const taking = limiter.take([use])
  await Promise.resolve()
  beBusy(2_000)
  await Promise.resolve(taking).catch(() => {})
  const isCounted = async (): Promise<boolean> => (await limiter.take([use])).refusal === undefined
  await expect.poll(isCounted).toBe(true)
  expect(names).not.toContain('limiter.forgot')
})
