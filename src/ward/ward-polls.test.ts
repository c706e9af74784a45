import { expect, test } from 'vitest'
import { openTestWard } from '../../test/support/open-test-ward.ts'
import { createTestTime } from '../../test/support/test-time.ts'
import { createMemoryKeyStore } from '../storage/memory/key-store.ts'

test.each([
  ['tells of changes', true, 1],
  ['does not', false, 5],
])('a store that %s is asked so often in a second', async (_what, tells, polls) => {
  const time = createTestTime()
  const memory = createMemoryKeyStore()
  const store = tells ? { ...memory, onChange: () => () => {} } : memory
  const ward = await openTestWard({ store, scheduler: time.scheduler })
  const before = ward.calls.get('readChanges') ?? 0
  await time.pass(1_000)
  await time.settle()
  expect((ward.calls.get('readChanges') ?? 0) - before).toBe(polls)
})
