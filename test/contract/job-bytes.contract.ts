import { expect, test } from 'vitest'
import type { StoredBytesBounds } from '../../src/idempotency/stored-bytes.ts'
import type { NewJob } from '../../src/jobs/job.ts'
import type { AttemptEnd } from '../../src/jobs/job-queue.ts'
import {
  answered,
  claim,
  countBytes,
  find,
  type GetStore,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  released,
  reservationOf,
  reservedAnswerOf,
  retryAt,
  settle,
  startJob,
  submit,
  wide,
} from './job-fixtures.ts'

const KiB = 1_024
/** Of a row, beside its texts. */
const row = KiB

/** A job that counts as 1 KiB and as much more. */
function jobWith(number: number, kibibytes: number, fields: Partial<NewJob> = {}): NewJob {
  return jobOf(number, { inputs: 'é'.repeat((kibibytes * KiB) / 2), ...fields })
}

/** Bytes are counted in the commit of what they count, and bound what is accepted. */
export function testJobBytes(get: GetStore): void {
  const submitWithin = (bounds: Partial<StoredBytesBounds>, ...jobs: readonly NewJob[]) =>
    get().submit({ jobs, bounds: { ...wide, ...bounds } })

  test('the bound of one owner refuses that owner alone, to the byte', async () => {
    const ownerBytesMax = 10 * KiB
    expect(await submitWithin({ ownerBytesMax }, jobWith(1, 4))).toEqual({ outcome: 'accepted' })
    expect(await submitWithin({ ownerBytesMax: ownerBytesMax - 1 }, jobWith(2, 4))).toEqual({
      outcome: 'owner_bytes_full',
    })
    expect(await submitWithin({ ownerBytesMax }, jobWith(2, 4))).toEqual({ outcome: 'accepted' })
    expect(await submitWithin({ ownerBytesMax }, jobWith(3, 0))).toEqual({ outcome: 'owner_bytes_full' })
    const other = jobWith(4, 4, { owner: 'globex' })
    expect(await submitWithin({ ownerBytesMax }, other)).toEqual({ outcome: 'accepted' })
  })

  test('the bound in all refuses every owner, and none of a submission is accepted', async () => {
    const bytesMax = 12 * KiB
    await submit(get(), jobWith(1, 4))
    const both = [jobWith(2, 2, { owner: 'globex' }), jobWith(3, 4)]
    expect(await submitWithin({ bytesMax }, ...both)).toEqual({ outcome: 'bytes_full' })
    expect(await find(get(), 2)).toBeUndefined()
    expect(await submitWithin({ bytesMax }, jobWith(2, 6, { owner: 'globex' }))).toEqual({
      outcome: 'accepted',
    })
  })

  test('what goes makes room: inputs of jobs that succeed or are cancelled, and all of what expires', async () => {
    const running = await startJob(get(), jobWith(1, 8))
    await submit(get(), jobWith(2, 8))
    expect(await countBytes(get())).toBe(2 * row + 16 * KiB)
    await settle(get(), running, {
      end: 'succeeded',
      answers: answered('a'.repeat(100)),
      expiresAt: jobBegin + 1,
    })
    expect(await countBytes(get())).toBe(2 * row + 100 + 8 * KiB)
    await get().cancel({ id: jobId(2) }, jobBegin, 1)
    expect(await countBytes(get())).toBe(2 * row + 100)
    await get().forgetExpired(jobBegin + 1, 10)
    expect(await countBytes(get())).toBe(0)
  })

  test('webhooks count until they are gone, also beyond their jobs', async () => {
    const webhook = 'https://example.com/hook'
    const running = await startJob(get(), jobWith(1, 1, { webhook }))
    await settle(get(), running, { end: 'succeeded', answers: answered('1'), expiresAt: jobBegin + 1 })
    await get().forgetExpired(jobBegin + 1, 10)
    expect(await countBytes(get())).toBeGreaterThan(row)
    const ask = { max: 1, ownerMax: 1, now: jobBegin, until: jobBegin + 1 }
    const [delivery] = await get().claimDeliveries(ask)
    const result = { at: jobBegin, status: 200, reason: null }
    const { id = '', lease } = delivery ?? {}
    const then = 'delivered'
    await get().settleDelivery({ id, lease: lease ?? '', result, then })
    expect(await countBytes(get())).toBe(0)
  })

  test('stored answers count for their owner, and a key is reserved only where one finds room', async () => {
    const bounds = { ...wide, ownerBytesMax: 4 * KiB }
    expect(await get().reserve(reservationOf(), jobBegin, bounds)).toEqual({ outcome: 'reserved' })
    const sealed = new Uint8Array(3 * KiB)
    expect(await get().storeAnswer(reservedAnswerOf({ sealed })), 'its request has run').toBe(true)
    const second = reservationOf({ id: 'second' })
    expect(await get().reserve(second, jobBegin, bounds)).toEqual({ outcome: 'owner_bytes_full' })
    expect(await get().reserve(reservationOf(), jobBegin, bounds), 'a retry').toMatchObject({
      outcome: 'answered',
    })
    expect(await submitWithin(bounds, jobWith(1, 0))).toEqual({ outcome: 'owner_bytes_full' })
    const other = reservationOf({ id: 'other', owner: 'globex' })
    expect(await get().reserve(other, jobBegin, bounds)).toEqual({ outcome: 'reserved' })
    const inAll = { ...wide, bytesMax: 4 * KiB }
    expect(await get().reserve(second, jobBegin, inAll)).toEqual({ outcome: 'bytes_full' })
    await get().release(other)
    expect(await countBytes(get())).toBe(row + 3 * KiB)
    const late = reservationOf({ until: jobBegin + 2 * keepMs })
    expect(await get().reserve(late, jobBegin + keepMs, bounds), 'in place of the expired').toEqual({
      outcome: 'reserved',
    })
    expect(await countBytes(get())).toBe(row)
  })

  test('a result may go a quarter beyond the bounds, and beyond that its job has failed, with its inputs', async () => {
    const bounds = { ...wide, ownerBytesMax: 8 * KiB }
    await submit(get(), jobWith(1, 3), jobWith(2, 3))
    const [first, second] = await claim(get())
    if (first === undefined || second === undefined) throw new Error('not claimed')
    const expiresAt = jobBegin + keepMs
    const endWith = async (job: typeof first, bytes: number, within = bounds) => {
      const end = {
        id: job.id,
        lease: job.lease,
        end: 'succeeded',
        answers: answered('a'.repeat(bytes)),
        expiresAt,
      } as const
      return (await get().settle([end], jobBegin, within)).settled[0]
    }
    expect(await endWith(first, 5 * KiB), 'exactly a quarter').toMatchObject({ status: 'succeeded' })
    expect(await endWith(second, 3 * KiB + 1)).toMatchObject({
      status: 'failed',
      error: { code: 'storage_exhausted' },
    })
    await get().retry({ id: second.id }, jobBegin)
    const [again] = await claim(get())
    expect(again?.inputs).toBe(second.inputs)
    if (again === undefined) throw new Error('not claimed')
    expect(await endWith(again, 3 * KiB, { ...wide, bytesMax: 4 * KiB })).toMatchObject({
      status: 'failed',
      error: { code: 'overloaded' },
    })
  })

  test('an attempt whose answers have no room has failed, though it would give way or be tried again', async () => {
    const bounds = { ...wide, ownerBytesMax: 8 * KiB }
    for (const [number, end] of [released, retryAt(jobBegin)].entries()) {
      const running = await startJob(get(), jobWith(number, 1, { total: 2 }))
      const attempt = { ...end, id: running.id, lease: running.lease } as AttemptEnd
      const large = { ...attempt, answers: answered('a'.repeat(9 * KiB)) }
      const { settled } = await get().settle([large], jobBegin, bounds)
      const error = { code: 'storage_exhausted' }
      const expiresAt = jobBegin + keepMs
      expect(settled).toMatchObject([{ status: 'failed', error, expiresAt, done: 0 }])
      expect(await claim(get())).toEqual([])
      await get().forgetExpired(expiresAt, 10)
    }
  })
}
