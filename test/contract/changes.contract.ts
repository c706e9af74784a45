import { expect, test } from 'vitest'
import { type Get, idOf, keyOf } from './key-fixtures.ts'

/** Changes are told to whoever asks since a cursor. */
export function testChanges(get: Get): void {
  test('an empty store has no keys and no changes', async () => {
    expect(await get().store.readChanges(undefined)).toMatchObject({
      keyIds: [],
      hasImportedKeys: false,
      hasKeys: false,
    })
  })
  test('the first reading tells no change; the next tells each changed key once, then none', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1)), keyOf(idOf(2)), keyOf(idOf(3))])
    const first = await store.readChanges(undefined)
    expect(first).toMatchObject({ keyIds: [], hasKeys: true })
    await store.replaceKey(keyOf(idOf(1), { version: 2 }))
    await store.addKeys([keyOf(idOf(4), { imported: true })])
    await store.replaceKey(keyOf(idOf(1), { version: 3 }))
    const second = await store.readChanges(first.cursor)
    expect([...second.keyIds].sort()).toEqual([idOf(1), idOf(4)])
    expect(second.hasImportedKeys).toBe(true)
    expect((await store.readChanges(second.cursor)).keyIds).toEqual([])
    expect([...(await store.readChanges(first.cursor)).keyIds].sort(), 'an older cursor still tells').toEqual(
      [idOf(1), idOf(4)],
    )
  })
  test('what was refused is no change', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    const { cursor } = await store.readChanges(undefined)
    await store.addKeys([keyOf(idOf(2)), keyOf(idOf(1))])
    await store.replaceKey(keyOf(idOf(1), { version: 5 }))
    expect((await store.readChanges(cursor)).keyIds).toEqual([])
  })
  test('a thousand changed keys are told by id, more as all', async () => {
    const { store } = get()
    const { cursor } = await store.readChanges(undefined)
    await store.addKeys(Array.from({ length: 1_000 }, (_, index) => keyOf(idOf(index))))
    expect((await store.readChanges(cursor)).keyIds).toHaveLength(1_000)
    await store.addKeys([keyOf(idOf(1_000))])
    expect((await store.readChanges(cursor)).keyIds).toBe('all')
  })
  test('a cursor from beyond this store tells all', async () => {
    const { cursor } = await get().store.readChanges(undefined)
    expect((await get().store.readChanges(cursor + 5)).keyIds).toBe('all')
  })
}
