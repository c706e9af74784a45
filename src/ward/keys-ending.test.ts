import { expect, test } from 'vitest'
import { openTestWard } from '../../test/support/open-test-ward.ts'
import { Fault } from '../core/fault.ts'
import { createKeysEnding } from './keys-ending.ts'

const day = 86_400_000

async function open() {
  const ward = await openTestWard()
  const time = { wall: ward.time.now, steady: 0 }
  const count = createKeysEnding({
    store: ward.store,
    clock: () => time.wall,
    monotonic: () => time.steady,
  })
  const make = (days: number) => ward.keys.create({ name: 'k', expiresAt: time.wall + days * day })
  return { ward, time, count, make }
}

test('keys that work and end within seven days are counted, and no others', async () => {
  const { ward, count, make } = await open()
  await make(1)
  await make(6.9)
  await make(7.1)
  await ward.keys.create({ name: 'without an end' })
  const { record } = await make(2)
  await ward.keys.revoke(record.id)
  expect(await count()).toBe(2)
})

test('they are counted once an hour, however often it is asked', async () => {
  const { ward, time, count, make } = await open()
  await make(1)
  for (let asked = 0; asked < 100; asked += 1) expect(await count()).toBe(1)
  expect(ward.calls.get('listKeys')).toBe(1)
  await make(1)
  time.steady += 3_599_999
  expect(await count()).toBe(1)
  time.steady += 1
  expect(await count()).toBe(2)
})

test('of very many keys 500 are counted', async () => {
  const { count, make } = await open()
  for (let key = 0; key < 510; key += 1) await make(1)
  expect(await count()).toBe(500)
})

test('many revoked keys that end sooner hide none that works', async () => {
  const { ward, count, make } = await open()
  for (let key = 0; key < 500; key += 1) await ward.keys.revoke((await make(1)).record.id)
  await make(2)
  expect(await count()).toBe(1)
})

test('over an outage the last count holds, and is taken again a minute later', async () => {
  const { ward, time, count, make } = await open()
  await make(1)
  ward.outage.fault = new Fault('store_unavailable', 'out')
  await expect(count()).rejects.toThrow('out')
  ward.outage.fault = undefined
  time.steady += 60_000
  expect(await count()).toBe(1)
  ward.outage.fault = new Fault('store_unavailable', 'out')
  time.steady += 3_600_000
  expect(await count()).toBe(1)
})
