import { expect, test } from 'vitest'
import { type GetStore, jobBegin, keepMs, keptAnswerOf, leaseMs, reservationOf } from './job-fixtures.ts'

const two = reservationOf({ holder: 'two', requestDigest: 'asked by two' })
const reserved = { outcome: 'reserved' }

/** An idempotency key belongs to one request at a time; retries get its answer until it expires. */
export function testIdempotencyStore(get: GetStore): void {
  test('a name that is free is reserved; meanwhile another is told what the first one asks', async () => {
    expect(await get().reserve(reservationOf(), jobBegin)).toEqual(reserved)
    expect(await get().reserve(two, jobBegin)).toEqual({ outcome: 'taken', requestDigest: 'asked' })
    expect(await get().reserve(reservationOf({ id: 'another' }), jobBegin)).toEqual(reserved)
  })

  test('of requests at once one gets the name', async () => {
    const holders = [...Array(20).keys()].map((number) => reservationOf({ holder: `holder ${number}` }))
    const outcomes = await Promise.all(holders.map((holder) => get().reserve(holder, jobBegin)))
    expect(outcomes.filter(({ outcome }) => outcome === 'reserved')).toHaveLength(1)
  })

  test('an answer is kept byte for byte, with what was asked, for whoever reserves its name', async () => {
    const sealed = new Uint8Array(256).map((_, index) => index)
    await get().reserve(reservationOf(), jobBegin)
    expect(await get().keep(keptAnswerOf({ sealed }))).toBe(true)
    const found = await get().reserve(two, jobBegin)
    if (found.outcome !== 'answered') throw new Error(found.outcome)
    expect(found.requestDigest).toBe('asked')
    expect([...found.sealed]).toEqual([...sealed])
    sealed.fill(1)
    found.sealed.fill(2)
    const again = await get().reserve(two, jobBegin)
    expect(again.outcome === 'answered' && [...again.sealed.slice(0, 3)], 'nobody else’s to change').toEqual([
      0, 1, 2,
    ])
  })

  test('an answer expires: from that moment on its name is free', async () => {
    await get().reserve(reservationOf(), jobBegin)
    await get().keep(keptAnswerOf())
    expect(await get().reserve(two, jobBegin + keepMs - 1)).toMatchObject({ outcome: 'answered' })
    const late = { ...two, until: jobBegin + 2 * keepMs }
    expect(await get().reserve(late, jobBegin + keepMs)).toEqual(reserved)
    expect(await get().keep(keptAnswerOf()), 'the first holder’s').toBe(false)
  })

  test('a reservation ends by itself, and then another takes the name; the first may keep no answer any more', async () => {
    await get().reserve(reservationOf(), jobBegin)
    const end = jobBegin + leaseMs
    expect(await get().reserve(two, end - 1)).toMatchObject({ outcome: 'taken' })
    const late = { ...two, until: end + leaseMs }
    expect(await get().reserve(late, end)).toEqual(reserved)
    expect(await get().keep(keptAnswerOf())).toBe(false)
    await get().release(reservationOf())
    const three = reservationOf({ holder: 'three' })
    expect(await get().reserve(three, end), 'not released by the first').toMatchObject({ outcome: 'taken' })
    expect(await get().keep(keptAnswerOf({ holder: 'two', requestDigest: 'asked by two' }))).toBe(true)
    expect(await get().reserve(three, end)).toMatchObject({
      outcome: 'answered',
      requestDigest: 'asked by two',
    })
  })

  test('a reservation that has ended is held as long as nobody takes its name', async () => {
    await get().reserve(reservationOf({ until: jobBegin + 1 }), jobBegin)
    expect(await get().reserve(reservationOf({ id: 'another' }), jobBegin + keepMs)).toEqual(reserved)
    expect(await get().keep(keptAnswerOf())).toBe(true)
  })

  test('a released name is free at once', async () => {
    await get().reserve(reservationOf(), jobBegin)
    await get().release({ id: 'name', holder: 'one' })
    expect(await get().keep(keptAnswerOf())).toBe(false)
    expect(await get().reserve(two, jobBegin)).toEqual(reserved)
  })

  test('releasing what is not held changes nothing: another’s name, an answer that is kept, no name', async () => {
    await get().reserve(reservationOf(), jobBegin)
    await get().release({ id: 'name', holder: 'two' })
    expect(await get().reserve(two, jobBegin)).toMatchObject({ outcome: 'taken' })
    await get().keep(keptAnswerOf())
    await get().release({ id: 'name', holder: 'one' })
    await get().release({ id: 'never reserved', holder: 'one' })
    expect(await get().reserve(two, jobBegin)).toMatchObject({ outcome: 'answered' })
  })

  test('an answer is kept once: a second one under the same reservation changes nothing', async () => {
    await get().reserve(reservationOf(), jobBegin)
    await get().keep(keptAnswerOf())
    expect(await get().keep(keptAnswerOf({ sealed: new Uint8Array([9]) }))).toBe(false)
    expect(await get().keep(keptAnswerOf({ id: 'never reserved' }))).toBe(false)
    const found = await get().reserve(two, jobBegin)
    expect(found.outcome === 'answered' && [...found.sealed]).toEqual([0, 255, 7])
  })
}
