import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { idOf, keyOf } from '../../../test/contract/key-fixtures.ts'
import { collectEvents } from '../../../test/support/collect-events.ts'
import { createMemoryLedger } from '../../../test/support/memory-ledger.ts'
import {
  headOf,
  openTestWard,
  type TestWard,
  type TestWardOptions,
} from '../../../test/support/open-test-ward.ts'
import { createTestTime } from '../../../test/support/test-time.ts'
import { Fault } from '../../core/fault.ts'
import { createMemoryKeyStore } from '../../storage/memory/key-store.ts'
import type { KeyStore, KeyUse } from './key-store.ts'
import { createKeyUses } from './key-uses.ts'

const minute = 60_000
const begin = Date.UTC(2026, 0, 1)

/** A ward with one key, whose time passes when the test says so. */
async function open(options: TestWardOptions = {}) {
  const time = createTestTime()
  const { telemetry, names } = collectEvents()
  const timed = { clock: time.clock, monotonic: time.clock, scheduler: time.scheduler, telemetry }
  const ward = await openTestWard({ ...timed, ...options })
  const { record, text } = await ward.keys.create({ name: 'first', limits: ['2/h'] })
  const use = async (key: string = text): Promise<string> => {
    await ward.refresh()
    const verdict = await ward.admit(headOf({ 'x-api-key': key }))
    return verdict.admitted ? 'admitted' : verdict.refusal.code
  }
  const lastUse = async (of: TestWard = ward) => (await of.keys.get(record.id)).lastUsedAt
  return { ward, record, text, use, lastUse, time, timed, names }
}

test('a key that was used says so within a minute, to the minute', async () => {
  const { use, lastUse, time } = await open()
  expect(await lastUse()).toBeNull()
  await time.pass(90_000)
  expect(await use()).toBe('admitted')
  await time.pass(minute)
  expect(await lastUse()).toBe(begin + minute)
})

test('a key that is refused is used all the same, once its secret was proven', async () => {
  const { use, lastUse, time, ward, record, text } = await open()
  const wrong = `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`
  expect(await use(wrong)).toBe('key_invalid')
  await time.pass(minute)
  expect(await lastUse()).toBeNull()
  for (const code of ['admitted', 'admitted', 'rate_limited']) expect(await use()).toBe(code)
  await time.pass(2 * minute)
  expect(await use()).toBe('rate_limited')
  await time.pass(minute)
  expect(await lastUse()).toBe(begin + 3 * minute)
  await ward.keys.revoke(record.id)
  expect(await use()).toBe('key_revoked')
  await time.pass(minute)
  expect(await lastUse()).toBe(begin + 4 * minute)
})

test('closing writes what is left', async () => {
  const store = createMemoryKeyStore()
  const { use, ward, record } = await open({ store: { ...store, close: async () => {} } })
  await use()
  await ward.close()
  expect((await store.findKey(record.id))?.lastUsedAt).toBe(begin)
})

test('uses are written once a minute, however many requests there are', async () => {
  const { use, ward, time } = await open()
  for (let requests = 0; requests < 50; requests += 1) await use()
  expect(ward.calls.get('noteUses')).toBeUndefined()
  await time.pass(minute)
  expect(ward.calls.get('noteUses')).toBe(1)
  await time.pass(10 * minute)
  expect(ward.calls.get('noteUses'), 'nothing was used meanwhile').toBe(1)
})

test('a change between a use and its writing loses neither', async () => {
  const { use, lastUse, time, ward, record } = await open()
  await use()
  await ward.keys.update(record.id, { name: 'second' })
  await time.pass(minute)
  expect(await ward.keys.get(record.id)).toMatchObject({ name: 'second', version: 2, lastUsedAt: begin })
  await ward.keys.update(record.id, { name: 'third' })
  expect(await lastUse()).toBe(begin)
})

test('an outage of the store is one event a minute, disturbs no request, and uses are written when it is over', async () => {
  const { use, lastUse, time, ward, names } = await open()
  await use()
  ward.outage.fault = new Fault('store_unavailable', 'out')
  await time.pass(3 * minute)
  ward.outage.fault = undefined
  expect(await use()).toBe('admitted')
  await time.pass(minute)
  expect(await lastUse()).toBe(begin + 3 * minute)
  expect(names.filter((name) => name.startsWith('keys.uses'))).toEqual([
    'keys.uses_not_written',
    'keys.uses_not_written',
    'keys.uses_not_written',
    'keys.uses_written',
  ])
})

test('what a process did not come to write before it was killed is written soon after the next start', async () => {
  const store = createMemoryKeyStore()
  const ledger = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
  const killed = await open({ store, ledger })
  for (const use of ['admitted', 'admitted', 'rate_limited']) expect(await killed.use()).toBe(use)
  for (let uses = 0; uses < 3; uses += 1) {
    const exchange = killed.ward.guard.open({}, headOf({ 'x-api-key': killed.text }), 'POST')
    await killed.ward.guard.admit(exchange)
    await exchange.answer({ status: 429, route: '/predict', requestId: undefined })
  }
  expect((await store.findKey(killed.record.id))?.lastUsedAt).toBeNull()
  const time = createTestTime()
  const next = await openTestWard({ store, ledger, clock: time.clock, scheduler: time.scheduler })
  await time.pass(1_000)
  expect(await killed.lastUse(next)).toBe(begin)
})

test('a deployment without older keys does not read its ledger', async () => {
  const ledger = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
  let reads = 0
  const usage: typeof ledger.usage = (query) => {
    reads += 1
    return ledger.usage(query)
  }
  const time = createTestTime()
  const deps = { clock: time.clock, monotonic: time.clock, scheduler: time.scheduler }
  const ward = await openTestWard({ ...deps, ledger: { ...ledger, usage } })
  await time.pass(1)
  await ward.keys.create({ name: 'first' })
  await time.pass(10 * minute)
  expect(reads).toBe(0)
})

test('a ledger that cannot be read does not keep uses of this process from being written', async () => {
  const ledger = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
  const usage = () => Promise.reject(new Fault('ledger_unavailable', 'out'))
  const { use, lastUse, time, names } = await open({ ledger: { ...ledger, usage } })
  await use()
  await time.pass(5 * minute)
  expect(await lastUse()).toBe(begin)
  expect(new Set(names)).toEqual(new Set(['keys.uses_not_written']))
})

test('more keys at once than are held in memory are taken from the ledger, and many are written in slices', async () => {
  const time = createTestTime()
  const slices: number[] = []
  const noted = new Map<string, number>()
  const noteUses = async (uses: readonly KeyUse[]): Promise<void> => {
    slices.push(uses.length)
    for (const { keyId, at } of uses) noted.set(keyId, at)
  }
  const store: Pick<KeyStore, 'listKeys' | 'noteUses'> = {
    listKeys: async () => ({ keys: [keyOf(idOf(1), { lastUsedAt: begin })], hasMore: false }),
    noteUses,
  }
  const late = idOf(100_000)
  const row = { ...{ owner: null, route: null, model: null, day: null, month: null }, requests: 1 }
  const usage = async () =>
    [{ ...row, ...{ admitted: 1, operational: 0, refused: {}, measures: {}, latencyMs: null } }].map(
      (sums) => ({ ...sums, keyId: late, lastUsedAt: begin + 61_000 }),
    )
  const { telemetry } = collectEvents()
  const deps = { clock: time.clock, monotonic: time.clock, scheduler: time.scheduler, telemetry }
  const uses = createKeyUses({ ...deps, store, ledger: { usage } })
  await time.pass(2_000)
  noted.clear()
  for (let number = 0; number <= 100_000; number += 1) uses.note(idOf(number), begin + 60_500)
  await uses.close()
  expect(noted.size).toBe(100_001)
  expect(noted.get(late)).toBe(begin + minute)
  expect(Math.max(...slices)).toBe(256)
})
