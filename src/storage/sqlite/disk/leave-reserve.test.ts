import { expect, onTestFinished, test } from 'vitest'
import {
  askOf,
  claim,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  reservationOf,
  reservedAnswerOf,
  settle,
  succeeded,
  wide,
} from '../../../../test/contract/job-fixtures.ts'
import { createInProcessJobStore } from '../jobs/in-process-job-store.ts'
import { leaveReserve } from './leave-reserve.ts'

function open() {
  const disk = { free: 1_000, isLow: false, isCritical: false }
  const store = leaveReserve(createInProcessJobStore(), {
    isLow: () => disk.isLow,
    isCritical: () => disk.isCritical,
    take: (bytes) => !disk.isLow && bytes <= disk.free,
  })
  onTestFinished(() => store.close())
  return { disk, store }
}

test('a submission that would touch the reserve is refused, a smaller one is not', async () => {
  const { store } = open()
  const large = jobOf(1, { inputs: 'a'.repeat(1_001) })
  expect(await store.submit({ jobs: [large], bounds: wide })).toEqual({ outcome: 'bytes_full' })
  expect(await store.submit({ jobs: [jobOf(2)], bounds: wide })).toEqual({ outcome: 'accepted' })
})

test('while the reserve is touched no key is reserved, stored answers are given, and jobs go on', async () => {
  const { disk, store } = open()
  await store.submit({ jobs: [jobOf(1), jobOf(2)], bounds: wide })
  await store.reserve(reservationOf(), jobBegin, wide)
  await store.storeAnswer(reservedAnswerOf())
  disk.isLow = true
  expect(await store.reserve(reservationOf({ id: 'new' }), jobBegin, wide)).toEqual({ outcome: 'bytes_full' })
  expect(await store.reserve(reservationOf(), jobBegin, wide)).toMatchObject({ outcome: 'answered' })
  const [claimed] = await claim(store, { max: 1 })
  if (claimed === undefined) throw new Error('not claimed')
  expect(await settle(store, claimed, succeeded)).toMatchObject({ status: 'succeeded' })
  expect(await store.cancel({ id: jobId(2) }, jobBegin, keepMs)).toMatchObject({ cancelled: true })
})

test('with half of the reserve gone no job begins, and those of dead workers are still found', async () => {
  const { disk, store } = open()
  await store.submit({ jobs: [jobOf(1, { attemptsMax: 1 })], bounds: wide })
  await claim(store)
  await store.submit({ jobs: [jobOf(2)], bounds: wide })
  disk.isCritical = true
  const later = askOf({ now: jobBegin + leaseMs })
  expect(await store.claim(later)).toMatchObject({ claimed: [], ended: [{ id: jobId(1) }] })
  disk.isCritical = false
  expect((await store.claim(later)).claimed).toMatchObject([{ id: jobId(2) }])
})
