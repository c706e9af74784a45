import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createTemporaryFolder } from '../../../../test/contract/temporary-folder.ts'
import { collectEvents } from '../../../../test/support/collect-events.ts'
import { createTestTime } from '../../../../test/support/test-time.ts'
import { watchDisk } from './watch-disk.ts'

const KiB = 1_024
const reserveBytes = 64 * KiB

/** A disk that says of itself what a test wants. */
async function open(free: number) {
  const folder = createTemporaryFolder()
  const time = createTestTime()
  const { telemetry, names } = collectEvents()
  const disk = { free, fullTimes: 0 }
  const watch = await watchDisk({
    folder,
    reserveBytes,
    telemetry,
    scheduler: time.scheduler,
    measure: async () => disk.free,
    async onFull() {
      disk.fullTimes += 1
    },
  })
  onTestFinished(() => watch.close())
  const ballast = join(folder, 'ballast')
  /** A second passes, and what it begins is done. */
  async function look(until: () => boolean): Promise<void> {
    await time.pass(1_000)
    while (!until()) await time.settle()
  }
  return { watch, disk, names, ballast, look }
}

test('what is stored may take all but the reserve, counted at once and twice, for the log and the file', async () => {
  const { watch } = await open(reserveBytes + 20 * KiB)
  expect(watch.take(8 * KiB)).toBe(true)
  expect(watch.take(3 * KiB)).toBe(false)
  expect(watch.take(2 * KiB)).toBe(true)
  expect(watch.isLow(), 'the disk itself has room').toBe(false)
})

test('below the reserve nothing is stored, which is one event at its begin and one at its end', async () => {
  const { watch, disk, names, look } = await open(1_024 * KiB)
  disk.free = reserveBytes - 1
  await look(() => watch.isLow())
  await look(() => true)
  expect(watch.take(0)).toBe(false)
  expect(watch.isCritical()).toBe(false)
  expect(names).toEqual(['disk.low'])
  disk.free = reserveBytes + 1
  await look(() => true)
  expect(watch.isLow(), 'not over at once').toBe(true)
  disk.free = 2 * reserveBytes
  await look(() => !watch.isLow())
  expect(names).toEqual(['disk.low', 'disk.back'])
  expect(watch.take(8 * KiB)).toBe(true)
})

test('a full disk gets the ballast and is cleared once; with room again the ballast is made again', async () => {
  const { watch, disk, names, ballast, look } = await open(1_024 * KiB)
  expect(statSync(ballast).size).toBe(8 * KiB)
  expect(statSync(ballast).mode & 0o777).toBe(0o600)
  disk.free = 3 * KiB
  await look(() => disk.fullTimes === 1)
  expect(existsSync(ballast)).toBe(false)
  expect(watch.isCritical()).toBe(true)
  await look(() => true)
  expect([disk.fullTimes, ...names]).toEqual([1, 'disk.low', 'disk.full'])
  disk.free = 1_024 * KiB
  await look(() => !watch.isLow())
  expect(statSync(ballast).size).toBe(8 * KiB)
  expect(names).toEqual(['disk.low', 'disk.full', 'disk.back'])
})
