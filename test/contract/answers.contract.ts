import { expect, test } from 'vitest'
import { answerOf, type Get, idOf, keyOf, plain } from './key-fixtures.ts'

/** An answer is stored in the commit of the change that it answers. */
export function testAnswers(get: Get): void {
  test('an answer is stored with the change it answers, and given instead of a second one', async () => {
    const { store } = get()
    const answer = answerOf('retry')
    expect(await store.addKeys([keyOf(idOf(1))], answer)).toEqual({ outcome: 'added' })
    const again = await store.addKeys(
      [keyOf(idOf(2))],
      answerOf('retry', { requestDigest: 'other', sealed: new Uint8Array([9]) }),
    )
    expect(again.outcome === 'answered' && plain(again.answer)).toEqual(plain(answer))
    expect(await store.findKey(idOf(2))).toBeUndefined()
    expect(plain(await store.findAnswer('retry', 5_000))).toEqual(plain(answer))
  })
  test('a replacement is answered the same way, and before it is found stale', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    const next = keyOf(idOf(1), { version: 2 })
    expect(await store.replaceKey(next, answerOf('retry'))).toEqual({ outcome: 'replaced' })
    expect(await store.replaceKey(next, answerOf('retry'))).toMatchObject({ outcome: 'answered' })
    expect(await store.replaceKey(next, answerOf('new'))).toEqual({ outcome: 'stale' })
  })
  test('no answer is stored of what was refused', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    await store.addKeys([keyOf(idOf(1))], answerOf('taken'))
    await store.replaceKey(keyOf(idOf(1), { version: 9 }), answerOf('stale'))
    expect(await store.findAnswer('taken', 5_000)).toBeUndefined()
    expect(await store.findAnswer('stale', 5_000)).toBeUndefined()
  })
  test('an answer ends at its moment: not found, and its key is free again', async () => {
    const { store, moveTo } = get()
    await store.addKeys([keyOf(idOf(1))], answerOf('retry', { expiresAt: 10_000 }))
    expect(await store.findAnswer('retry', 9_999)).toBeDefined()
    expect(await store.findAnswer('retry', 10_000)).toBeUndefined()
    moveTo(10_000)
    const later = answerOf('retry', { expiresAt: 20_000, requestDigest: 'later' })
    expect(await store.addKeys([keyOf(idOf(2))], later)).toEqual({ outcome: 'added' })
    expect((await store.findAnswer('retry', 10_000))?.requestDigest).toBe('later')
  })
  test('expired answers are gone after the next write', async () => {
    const { store, moveTo } = get()
    await store.addKeys([keyOf(idOf(1))], answerOf('retry', { expiresAt: 10_000 }))
    moveTo(10_000)
    await store.addKeys([keyOf(idOf(2))])
    expect(await store.findAnswer('retry', 0)).toBeUndefined()
  })
  test('the sealed bytes are out of reach of later changes', async () => {
    const { store } = get()
    const answer = answerOf('retry')
    await store.addKeys([keyOf(idOf(1))], answer)
    answer.sealed.fill(0)
    ;(await store.findAnswer('retry', 0))?.sealed.fill(0)
    expect(Buffer.from((await store.findAnswer('retry', 0))?.sealed ?? [])).toEqual(Buffer.from([1, 2, 3]))
  })
  test('of many retries at once, one is carried out', async () => {
    const { store } = get()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.addKeys([keyOf(idOf(index))], answerOf('retry'))),
    )
    expect(outcomes.filter(({ outcome }) => outcome === 'added')).toHaveLength(1)
    expect(outcomes.filter(({ outcome }) => outcome === 'answered')).toHaveLength(19)
  })
}
