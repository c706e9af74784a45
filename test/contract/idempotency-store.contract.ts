import { expect, test } from 'vitest'
import {
  type GetStore,
  jobBegin,
  keepMs,
  leaseMs,
  reservationOf,
  reservedAnswerOf,
  wide,
} from './job-fixtures.ts'

const two = reservationOf({ holder: 'two', requestDigest: 'request of two' })
const reserved = { outcome: 'reserved' }

/** An idempotency key belongs to one request at a time; retries get its answer until it expires. */
export function testIdempotencyStore(get: GetStore): void {
  test('a free key is reserved; meanwhile another request gets the digest of the first', async () => {
    expect(await get().reserve(reservationOf(), jobBegin, wide)).toEqual(reserved)
    expect(await get().reserve(two, jobBegin, wide)).toEqual({
      outcome: 'in_flight',
      requestDigest: 'request',
    })
    expect(await get().reserve(reservationOf({ id: 'another' }), jobBegin, wide)).toEqual(reserved)
  })

  test('of requests at once one gets the reservation', async () => {
    const holders = [...Array(20).keys()].map((number) => reservationOf({ holder: `holder ${number}` }))
    const outcomes = await Promise.all(holders.map((holder) => get().reserve(holder, jobBegin, wide)))
    expect(outcomes.filter(({ outcome }) => outcome === 'reserved')).toHaveLength(1)
  })

  test('an answer is stored byte for byte, with its request, for every retry', async () => {
    const sealed = new Uint8Array(256).map((_, index) => index)
    await get().reserve(reservationOf(), jobBegin, wide)
    expect(await get().storeAnswer(reservedAnswerOf({ sealed }))).toBe(true)
    const found = await get().reserve(two, jobBegin, wide)
    if (found.outcome !== 'answered') throw new Error(found.outcome)
    expect(found.requestDigest).toBe('request')
    expect([...found.sealed]).toEqual([...sealed])
    sealed.fill(1)
    found.sealed.fill(2)
    const again = await get().reserve(two, jobBegin, wide)
    expect(
      again.outcome === 'answered' && [...again.sealed.slice(0, 3)],
      'no other caller’s to change',
    ).toEqual([0, 1, 2])
  })

  test('an answer expires: from that moment on its key is free', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    await get().storeAnswer(reservedAnswerOf())
    expect(await get().reserve(two, jobBegin + keepMs - 1, wide)).toMatchObject({ outcome: 'answered' })
    const late = { ...two, until: jobBegin + 2 * keepMs }
    expect(await get().reserve(late, jobBegin + keepMs, wide)).toEqual(reserved)
    expect(await get().storeAnswer(reservedAnswerOf()), 'the first holder’s').toBe(false)
  })

  test('a reservation ends by itself, and then another request takes the key; the first can store no answer any more', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    const end = jobBegin + leaseMs
    expect(await get().reserve(two, end - 1, wide)).toMatchObject({ outcome: 'in_flight' })
    const late = { ...two, until: end + leaseMs }
    expect(await get().reserve(late, end, wide)).toEqual(reserved)
    expect(await get().storeAnswer(reservedAnswerOf())).toBe(false)
    await get().release(reservationOf())
    const three = reservationOf({ holder: 'three' })
    expect(await get().reserve(three, end, wide), 'not released by the first').toMatchObject({
      outcome: 'in_flight',
    })
    expect(
      await get().storeAnswer(reservedAnswerOf({ holder: 'two', requestDigest: 'request of two' })),
    ).toBe(true)
    expect(await get().reserve(three, end, wide)).toMatchObject({
      outcome: 'answered',
      requestDigest: 'request of two',
    })
  })

  test('a reservation that has ended is held until another request takes its key', async () => {
    await get().reserve(reservationOf({ until: jobBegin + 1 }), jobBegin, wide)
    expect(await get().reserve(reservationOf({ id: 'another' }), jobBegin + keepMs, wide)).toEqual(reserved)
    expect(await get().storeAnswer(reservedAnswerOf())).toBe(true)
  })

  test('a released key is free at once', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    await get().release({ id: 'key', holder: 'one' })
    expect(await get().storeAnswer(reservedAnswerOf())).toBe(false)
    expect(await get().reserve(two, jobBegin, wide)).toEqual(reserved)
  })

  test('what a killed process left reserved is freed for the next of its name alone', async () => {
    await get().reserve(reservationOf({ holder: 'server:one' }), jobBegin, wide)
    await get().reserve(reservationOf({ id: 'other', holder: 'servers:one' }), jobBegin, wide)
    await get().reserve(reservationOf({ id: 'stored', holder: 'server:two' }), jobBegin, wide)
    await get().storeAnswer(reservedAnswerOf({ id: 'stored', holder: 'server:two' }))
    await get().releaseLeft('server')
    expect(await get().reserve(two, jobBegin, wide)).toEqual(reserved)
    for (const [id, outcome] of [
      ['other', 'in_flight'],
      ['stored', 'answered'],
    ] as const)
      expect(await get().reserve(reservationOf({ id, holder: 'two' }), jobBegin, wide)).toMatchObject({
        outcome,
      })
  })

  test('releasing what is not held changes nothing: another’s key, a stored answer, no reservation', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    await get().release({ id: 'key', holder: 'two' })
    expect(await get().reserve(two, jobBegin, wide)).toMatchObject({ outcome: 'in_flight' })
    await get().storeAnswer(reservedAnswerOf())
    await get().release({ id: 'key', holder: 'one' })
    await get().release({ id: 'never reserved', holder: 'one' })
    expect(await get().reserve(two, jobBegin, wide)).toMatchObject({ outcome: 'answered' })
  })

  test('an answer is stored once: a second one under the same reservation changes nothing', async () => {
    await get().reserve(reservationOf(), jobBegin, wide)
    await get().storeAnswer(reservedAnswerOf())
    expect(await get().storeAnswer(reservedAnswerOf({ sealed: new Uint8Array([9]) }))).toBe(false)
    expect(await get().storeAnswer(reservedAnswerOf({ id: 'never reserved' }))).toBe(false)
    const found = await get().reserve(two, jobBegin, wide)
    expect(found.outcome === 'answered' && [...found.sealed]).toEqual([0, 255, 7])
  })
}
