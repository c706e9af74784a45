import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fillDisk, mountSmallDisk } from '../../../../test/contract/small-disk.ts'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { createTestTime } from '../../../../test/support/test-time.ts'
import type { KeyStore } from '../../../keys/store/key-store.ts'
import { createMemoryKeyStore } from '../../memory/key-store.ts'
import { askDisk } from './answering-disk.ts'
import { askDiskFirst } from './ask-disk-first.ts'

/** A disk that answers when it is told to. */
function openDisk() {
  const time = createTestTime()
  const asked: (() => void)[] = []
  const store = () => new Promise<void>((resolve) => void asked.push(resolve))
  const { scheduler, clock: monotonic } = time
  const disk = askDisk({ folder: '/nowhere', scheduler, monotonic, store })
  const answer = (): void => {
    for (const resolve of asked.splice(0)) resolve()
  }
  return { disk, time, asked, answer }
}

const stalled = { code: 'store_unavailable' }

test('a disk that answers is asked once for all that comes together', async () => {
  const { disk, time, asked, answer } = openDisk()
  const both = Promise.all([disk.ensureAnswers(), disk.ensureAnswers()])
  await time.settle()
  expect(asked).toHaveLength(1)
  answer()
  await both
  await disk.ensureAnswers()
  expect(asked).toHaveLength(0)
  expect(disk.isStalled()).toBe(false)
})

test('one that does not is given up after 10 s, and from then on at once, until it answers', async () => {
  const { disk, time, answer } = openDisk()
  const first = expect(disk.ensureAnswers()).rejects.toMatchObject(stalled)
  await time.pass(10_000)
  await first
  expect(disk.isStalled()).toBe(true)
  await expect(disk.ensureAnswers()).rejects.toMatchObject(stalled)
  answer()
  await time.settle()
  expect(disk.isStalled()).toBe(false)
  await disk.ensureAnswers()
})

test('a disk that stores nothing is told apart from one that answers', async () => {
  const time = createTestTime()
  const outcomes = [Promise.reject(new Error('EROFS')), new Promise<void>(() => {})]
  const store = () => outcomes.shift() ?? Promise.resolve()
  const disk = askDisk({ folder: '/nowhere', scheduler: time.scheduler, monotonic: time.clock, store })
  await expect(disk.ensureStores()).rejects.toMatchObject({ code: 'ledger_unavailable' })
  const late = expect(disk.ensureStores()).rejects.toMatchObject({ code: 'ledger_unavailable' })
  await time.pass(1_000)
  await late
})

test('a folder that is gone is seen, and seen again when it is back', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'modelward-disk-'))
  onTestFinished(() => rmSync(parent, { recursive: true }))
  const folder = join(parent, 'data')
  const { scheduler, clock: monotonic } = createTestTime()
  const disk = askDisk({ folder, scheduler, monotonic })
  await expect(disk.ensureStores()).rejects.toMatchObject({ code: 'ledger_unavailable' })
  mkdirSync(folder)
  await disk.ensureStores()
  await disk.close()
})

test('changes of keys one after the other ask it once', async () => {
  const { disk, time, asked, answer } = openDisk()
  const store = askDiskFirst(createMemoryKeyStore(), disk)
  const first = store.addKeys([])
  await time.settle()
  answer()
  await first
  for (let at = 0; at < 5; at += 1) {
    await time.pass(200)
    await store.addKeys([])
  }
  expect(asked).toHaveLength(0)
})

test('keys are changed and closed only on a disk that answers, and read on any', async () => {
  const { disk, time } = openDisk()
  const calls: string[] = []
  const memory = createMemoryKeyStore()
  const keys: KeyStore = {
    ...memory,
    addKeys: async () => {
      calls.push('addKeys')
      return { outcome: 'added' }
    },
    close: async () => void calls.push('close'),
  }
  const store = askDiskFirst(keys, disk)
  expect(await store.findKey('none')).toBeUndefined()
  const added = expect(store.addKeys([])).rejects.toMatchObject(stalled)
  const closed = store.close()
  await time.pass(10_000)
  await Promise.all([added, closed])
  expect(calls).toEqual([])
})

test('a disk that is full when it is first asked still stores what asks it: that byte has its place', async (context) => {
  const folder = createTemporaryFolder()
  if (!mountSmallDisk(folder)) return context.skip('mounting a small disk takes root')
  const { scheduler, clock: monotonic } = createTestTime()
  const disk = askDisk({ folder, scheduler, monotonic })
  disk.prepare()
  fillDisk(join(folder, 'filler'))
  await disk.ensureStores()
  await disk.close()
})

test('a folder is asked by a file of one byte, for no other user', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-probe-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { scheduler, clock: monotonic } = createTestTime()
  const disk = askDisk({ folder, scheduler, monotonic })
  await disk.ensureAnswers()
  await disk.close()
  const { size, mode } = statSync(join(folder, 'probe'))
  expect([size, mode & 0o777]).toEqual([1, 0o600])
})
