import { expect, test } from 'vitest'
import { collectEvents } from '../../test/support/collect-events.ts'
import { stillScheduler } from '../../test/support/open-test-ward.ts'
import { Fault } from '../core/fault.ts'
import { processScheduler } from '../core/scheduler.ts'
import type { Changes } from '../keys/store/key-store.ts'
import { createOutageReport } from '../telemetry/outage-report.ts'
import { createKeyCacheSync } from './key-cache-sync.ts'

const noOutage = { failed() {}, passed() {}, stop() {} }
const nothing: Changes = { cursor: 1, keyIds: [], hasImportedKeys: false, hasKeys: true }

test('what is heard counts from when it was asked, and each question starts where the last one ended', async () => {
  let now = 100
  const heard: unknown[] = []
  const asked: unknown[] = []
  const watch = createKeyCacheSync({
    store: {
      readChanges: async (since) => {
        asked.push(since)
        now += 50
        return { ...nothing, cursor: now, keyIds: ['a'], hasImportedKeys: true }
      },
    },
    cache: { renew: (at, changed) => heard.push([at, changed]) },
    monotonic: () => now,
    scheduler: stillScheduler,
    intervalMs: 200,
    outage: noOutage,
  })
  expect(watch.hasImportedKeys()).toBe(false)
  await watch.refresh()
  await watch.refresh()
  expect(heard).toEqual([
    [100, ['a']],
    [150, ['a']],
  ])
  expect(asked).toEqual([undefined, 150])
  expect(watch.hasImportedKeys()).toBe(true)
})

test('a store that cannot be polled is reported once, and again when it is back', async () => {
  const { telemetry, names, until } = collectEvents()
  let isOut = true
  let failures = 0
  const watch = createKeyCacheSync({
    store: {
      readChanges: async () => {
        if (!isOut) return nothing
        failures += 1
        if (failures === 3) isOut = false
        throw new Fault('store_unavailable', 'gone')
      },
    },
    cache: { renew: () => {} },
    monotonic: () => 0,
    scheduler: processScheduler,
    intervalMs: 1,
    outage: createOutageReport('keys.sync_failed', telemetry, {}),
  })
  await until('keys.sync_back')
  watch.stop()
  expect(names).toEqual(['keys.sync_failed', 'keys.sync_back'])
})

test('a pushed change is read at once, and one that comes during a poll is not missed', async () => {
  const reads: ((changes: Changes) => void)[] = []
  let push = (): void => {}
  let isStopped = false
  const sync = createKeyCacheSync({
    store: {
      readChanges: () => new Promise((resolve) => reads.push(resolve)),
      onChange(listener) {
        push = listener
        return () => {
          isStopped = true
        }
      },
    },
    cache: { renew: () => {} },
    monotonic: () => 0,
    scheduler: stillScheduler,
    intervalMs: 0,
    outage: noOutage,
  })
  push()
  expect(reads).toHaveLength(1)
  push()
  push()
  expect(reads).toHaveLength(1)
  reads[0]?.(nothing)
  await new Promise((resolve) => setImmediate(resolve))
  expect(reads).toHaveLength(2)
  reads[1]?.(nothing)
  await new Promise((resolve) => setImmediate(resolve))
  expect(reads).toHaveLength(2)
  sync.stop()
  expect(isStopped).toBe(true)
})

test('pushes without end while the store is out make no more than one question at a time', async () => {
  let push = (): void => {}
  let [asking, most, asked] = [0, 0, 0]
  const sync = createKeyCacheSync({
    store: {
      async readChanges() {
        asking += 1
        asked += 1
        most = Math.max(most, asking)
        push()
        await new Promise((resolve) => setImmediate(resolve))
        asking -= 1
        if (asked === 50) sync.stop()
        throw new Fault('store_unavailable', 'gone')
      },
      onChange(listener) {
        push = listener
        return () => {}
      },
    },
    cache: { renew: () => {} },
    monotonic: () => 0,
    scheduler: stillScheduler,
    intervalMs: 0,
    outage: noOutage,
  })
  push()
  while (asked < 50) await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  expect([asked, most]).toEqual([50, 1])
})
