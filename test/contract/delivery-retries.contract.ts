import { expect, test } from 'vitest'
import type { DeliveryAttempt, WebhookDelivery } from '../../src/webhooks/outbox.ts'
import {
  countBytes,
  endJob,
  type GetStore,
  jobBegin,
  jobId,
  jobOf,
  keepMs,
  leaseMs,
  type OpenedJobStore,
} from './job-fixtures.ts'

const webhook = 'https://example.com/hook'
const answered = { at: jobBegin, status: 200, reason: null }
const refused = { at: jobBegin, status: 500, reason: null }
const later = jobBegin + 1_000

/** A delivery that has ended waits again, and any other is left alone. */
export function testDeliveryRetries(get: GetStore, getOpened: () => OpenedJobStore): void {
  const list = () => get().listDeliveries({ limit: 1_000 })
  const claimAt = (now: number, store = get()) =>
    store.claimDeliveries({ max: 100, ownerMax: 100, now, until: now + leaseMs })
  const settle = (
    { id, lease }: WebhookDelivery,
    then: DeliveryAttempt['then'],
    result: DeliveryAttempt['result'] = answered,
  ) => get().settleDelivery({ id, lease: lease ?? '', result, then })

  /** The delivery of a job's end, after so many attempts. */
  async function endedDelivery(
    number: number,
    then: 'delivered' | 'failed' = 'failed',
    { owner = 'acme', attempts = 1 } = {},
  ): Promise<WebhookDelivery> {
    await endJob(get(), jobOf(number, { webhook, owner }))
    for (let tries = 1; ; tries += 1) {
      const [claimed] = await claimAt(jobBegin)
      if (claimed === undefined) throw new Error('not claimed')
      await settle(claimed, tries === attempts ? then : { retryAt: jobBegin }, refused)
      if (tries === attempts) break
    }
    const [ended] = await get().listDeliveries({ jobId: jobId(number), limit: 1 })
    if (ended === undefined) throw new Error('not listed')
    return ended
  }

  test.each(['delivered', 'failed'] as const)(
    'one that was %s waits again, due now, with its id, job and URL, and what its last attempt came to',
    async (then) => {
      const ended = await endedDelivery(1, then)
      const delivery = { ...ended, status: 'waiting', attempts: 0, dueAt: later }
      expect(await get().retryDelivery({ id: ended.id, owner: 'acme' }, later)).toEqual({
        delivery,
        retried: true,
      })
      expect(await list()).toEqual([delivery])
      expect(await get().findDelivery({ id: ended.id })).toEqual(delivery)
      expect(await claimAt(later - 1)).toEqual([])
      const [claimed] = await claimAt(later)
      expect(claimed).toEqual({ ...delivery, attempts: 1, dueAt: later + leaseMs, lease: claimed?.lease })
    },
  )

  test('its attempts are counted anew, however many there were, so that one failure does not end it', async () => {
    const { id, attempts } = await endedDelivery(1, 'failed', { attempts: 8 })
    expect(attempts).toBe(8)
    await get().retryDelivery({ id }, later)
    const [claimed] = await claimAt(later)
    expect(claimed).toMatchObject({ id, attempts: 1 })
    if (claimed === undefined) throw new Error('not claimed')
    await settle(claimed, 'delivered')
    expect(await list()).toMatchObject([{ id, status: 'delivered', attempts: 1, lastAttempt: answered }])
  })

  test('one that waits is left as it is, and so is one that is leased: its attempt ends as it would have', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    const [waiting] = await list()
    if (waiting === undefined) throw new Error('nothing was put out')
    const again = () => get().retryDelivery({ id: waiting.id }, later)
    expect(await again()).toEqual({ delivery: waiting, retried: false })
    const [claimed] = await claimAt(jobBegin)
    if (claimed === undefined) throw new Error('not claimed')
    expect(await again()).toEqual({ delivery: { ...claimed, lease: null }, retried: false })
    expect(await claimAt(jobBegin + leaseMs - 1), 'it is still leased').toEqual([])
    await settle(claimed, { retryAt: jobBegin + 500 }, refused)
    expect(await again()).toMatchObject({ delivery: { attempts: 1, dueAt: jobBegin + 500 }, retried: false })
    expect(await list()).toMatchObject([{ status: 'waiting', attempts: 1, dueAt: jobBegin + 500 }])
  })

  test('asked for twice at once, it waits once', async () => {
    const { id } = await endedDelivery(1)
    const asked = await Promise.all([1, 2, 3].map(() => get().retryDelivery({ id }, later)))
    expect(asked.map((outcome) => outcome?.retried).toSorted()).toEqual([false, false, true])
    expect(await claimAt(later)).toHaveLength(1)
  })

  test('a lease of before ends nothing of what is sent again', async () => {
    await endJob(get(), jobOf(1, { webhook }))
    const [stale] = await claimAt(jobBegin)
    const [fresh] = await claimAt(jobBegin + leaseMs)
    if (stale === undefined || fresh === undefined) throw new Error('not claimed')
    await settle(fresh, 'failed', refused)
    await get().retryDelivery({ id: fresh.id }, later + leaseMs)
    for (const before of [stale, fresh]) await settle(before, 'delivered')
    expect(await list()).toMatchObject([{ status: 'waiting', attempts: 0, lastAttempt: refused }])
  })

  test('an id that never was and one of another owner are not there, and nothing changes', async () => {
    const ended = await endedDelivery(1)
    for (const address of [
      { id: 'msg_0000000000000000000000' },
      { id: '' },
      { id: ended.id, owner: 'globex' },
      { id: ended.id, owner: '' },
    ]) {
      expect(await get().retryDelivery(address, later)).toBeUndefined()
      expect(await get().findDelivery(address)).toBeUndefined()
    }
    expect(await list()).toEqual([ended])
    expect(await claimAt(later)).toEqual([])
  })

  test('owners come in the order in which theirs are due, what is sent again among them', async () => {
    const first = await endedDelivery(1, 'failed', { owner: 'first' })
    const second = await endedDelivery(2, 'delivered', { owner: 'second' })
    await get().retryDelivery({ id: second.id }, later)
    await get().retryDelivery({ id: first.id }, later + 1)
    expect((await claimAt(later + 1)).map(({ id }) => id)).toEqual([second.id, first.id])
  })

  test('one whose job is forgotten meanwhile is still sent, goes once it has ended, and leaves no bytes', async () => {
    const { id } = await endedDelivery(1)
    await get().retryDelivery({ id }, later)
    await get().forgetExpired(jobBegin + keepMs, 10)
    const [claimed] = await claimAt(jobBegin + keepMs)
    expect(claimed).toMatchObject({ id, job: { id: jobId(1), status: 'succeeded' } })
    expect(await get().retryDelivery({ id }, jobBegin + keepMs)).toMatchObject({ retried: false })
    if (claimed === undefined) throw new Error('not claimed')
    await settle(claimed, 'failed', refused)
    expect(await list()).toEqual([])
    expect(await get().retryDelivery({ id }, jobBegin + keepMs)).toBeUndefined()
    expect(await countBytes(get())).toBe(0)
  })

  test('it takes up as many bytes as before', async () => {
    const { id } = await endedDelivery(1)
    const before = await countBytes(get())
    await get().retryDelivery({ id }, later)
    expect(await countBytes(get())).toBe(before)
    const [claimed] = await claimAt(later)
    if (claimed === undefined) throw new Error('not claimed')
    await settle(claimed, 'delivered')
    expect(await countBytes(get())).toBe(before)
  })

  test('it is there after the store was opened again', async (context) => {
    const { reopen } = getOpened()
    if (reopen === undefined) return context.skip('nothing outlives this store')
    const { id } = await endedDelivery(1)
    const retried = await get().retryDelivery({ id }, later)
    const again = await reopen()
    expect(await again.findDelivery({ id })).toEqual(retried?.delivery)
    expect(await claimAt(later, again)).toMatchObject([{ id, attempts: 1 }])
  })
}
