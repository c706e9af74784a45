import { expect, test } from 'vitest'
import { after } from '../../src/core/after.ts'
import { createComposedLimiter } from '../../src/limits/composed-limiter.ts'
import { withFailMode } from '../../src/limits/fail-mode.ts'
import {
  createInProcessLimiter,
  type InProcessLimiter,
} from '../../src/limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../src/limits/limiter.ts'
import { beginTime, describeLimiter, type OpenedLimiter, useOf } from './limiter.contract.ts'
import { startPersistentLimiter } from './persistent-limiter.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

function openMemory(): OpenedLimiter & { readonly limiter: InProcessLimiter } {
  const time = beginTime()
  return { limiter: createInProcessLimiter({ clock: () => time.wall, monotonic: () => time.steady }), time }
}

describeLimiter('memory', async () => openMemory())

describeLimiter('memory, kept in SQLite', async () => {
  const time = beginTime()
  return { ...startPersistentLimiter(createTemporaryFolder(), time), time }
})

describeLimiter('composed of one for windows and one for quotas', async () => {
  const { limiter: windows, time } = openMemory()
  // Of another steady clock, as another store has.
  const quotas = createInProcessLimiter({ clock: () => time.wall, monotonic: () => time.steady })
  const ahead: Limiter = {
    ...quotas,
    take: (uses) =>
      after(quotas.take(uses), ({ at, refusal, shadows, states }) => ({
        refusal,
        shadows,
        states,
        at: at + 86_400_000,
      })),
    settle: (uses, at, costs) => quotas.settle(uses, at - 86_400_000, costs),
  }
  return { limiter: createComposedLimiter({ windows, quotas: ahead }), time }
})

describeLimiter('with a fail mode', async () => {
  const { limiter, time } = openMemory()
  return { limiter: withFailMode(limiter, { fail: { mode: 'closed' } }), time }
})

test('memory: limits of which nothing is used any more are let go, and their memory is used again, empty', async () => {
  const { limiter, time } = openMemory()
  for (let key = 0; key < 3_000; key += 1) await limiter.take([useOf(`key:${key}`, '1/min')])
  expect(limiter.size()).toBe(3_000)
  expect(limiter.sweep()).toBe(0)
  time.steady += 60_000
  expect(limiter.sweep()).toBe(3_000)
  expect(limiter.size()).toBe(0)
  for (let key = 0; key < 3_000; key += 1)
    expect((await limiter.take([useOf(`key:${key}`, '1000/min')])).states).toMatchObject([{ remaining: 999 }])
})

test('counts of addresses are bounded, and neither a busy one nor a key among them is forgotten', async () => {
  const { limiter } = openMemory()
  const ofAddress = (address: string) => ({ ...useOf(`address:${address}`, '3/day'), isOfAddress: true })
  const [busy, key] = [ofAddress('192.0.2.1'), useOf('key:k', '3/day')]
  for (let taken = 0; taken < 3; taken += 1) await limiter.take([busy, key])
  for (let number = 0; number < 100_000; number += 1) {
    await limiter.take([ofAddress(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`)])
    if (number % 10_000 === 0) expect((await limiter.take([busy])).refusal?.use).toBe(busy)
  }
  expect(limiter.size()).toBeLessThanOrEqual(32_768 + 1)
  expect((await limiter.take([key])).refusal?.use).toBe(key)
})

test('counts of addresses are not stored: strangers have any number of them', async () => {
  const time = beginTime()
  const use = { ...useOf('address:192.0.2.1', '1/day'), isOfAddress: true }
  const first = startPersistentLimiter(createTemporaryFolder(), time)
  await first.limiter.take([use])
  expect((await first.limiter.take([use])).refusal).toBeDefined()
  await first.stop()
  const second = startPersistentLimiter(first.folder, time)
  expect((await second.limiter.take([use])).refusal).toBeUndefined()
})
