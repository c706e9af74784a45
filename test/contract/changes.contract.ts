import { expect, test } from 'vitest'
import { addKeys, type Get, idOf, keyOf, ownerOf } from './key-fixtures.ts'

/** Every reader gets all changes since its cursor. */
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
  test('a changed owner tells all its keys, once each, those that changed themselves among them, and no others', async () => {
    const { store } = get()
    await store.addKeys([1, 2, 3].map((number) => keyOf(idOf(number), { owner: 'acme' })))
    await store.addKeys([keyOf(idOf(4), { owner: 'globex' })])
    const first = await store.readChanges(undefined)
    await store.replaceOwner(ownerOf('acme'))
    await store.replaceKey(keyOf(idOf(1), { version: 2, owner: 'acme' }))
    await store.replaceOwner(ownerOf('acme', { version: 2 }))
    const second = await store.readChanges(first.cursor)
    expect([...second.keyIds].sort()).toEqual([idOf(1), idOf(2), idOf(3)])
    expect((await store.readChanges(second.cursor)).keyIds).toEqual([])
    await store.replaceOwner(ownerOf('globex'))
    expect((await store.readChanges(second.cursor)).keyIds).toEqual([idOf(4)])
    expect([...(await store.readChanges(first.cursor)).keyIds].sort()).toEqual([1, 2, 3, 4].map(idOf))
  })
  test('a key that leaves its owner, or joins it, is told however the owner changes meanwhile', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1), { owner: 'acme' }), keyOf(idOf(2), { owner: 'globex' })])
    const { cursor } = await store.readChanges(undefined)
    await store.replaceOwner(ownerOf('acme'))
    await store.replaceKey(keyOf(idOf(1), { version: 2, owner: 'globex' }))
    await store.replaceKey(keyOf(idOf(2), { version: 2, owner: 'acme' }))
    expect([...(await store.readChanges(cursor)).keyIds].sort()).toEqual([idOf(1), idOf(2)])
  })
  test('an owner without keys changes none, and is no key', async () => {
    const { store } = get()
    const { cursor } = await store.readChanges(undefined)
    await store.replaceOwner(ownerOf('acme'))
    expect(await store.readChanges(cursor)).toMatchObject({ keyIds: [], hasKeys: false })
    await store.addKeys([keyOf(idOf(1))])
    expect(await store.readChanges(cursor)).toMatchObject({ keyIds: [idOf(1)], hasKeys: true })
  })
  test('an owner of a thousand keys tells them by id, of more as all', async () => {
    const { store } = get()
    const numbers = Array.from({ length: 1_000 }, (_, number) => number)
    await addKeys(
      store,
      numbers.map((number) => keyOf(idOf(number), { owner: 'acme' })),
    )
    const { cursor } = await store.readChanges(undefined)
    await store.replaceOwner(ownerOf('acme'))
    const changes = await store.readChanges(cursor)
    expect([...changes.keyIds].sort()).toEqual(numbers.map(idOf))
    await store.addKeys([keyOf(idOf(1_000))])
    expect((await store.readChanges(cursor)).keyIds, 'one more, by itself').toBe('all')
    await store.replaceKey(keyOf(idOf(1_000), { version: 2, owner: 'acme' }))
    const later = await store.readChanges(changes.cursor)
    await store.replaceOwner(ownerOf('acme', { version: 2 }))
    expect((await store.readChanges(later.cursor)).keyIds).toBe('all')
  })
  test('what was refused is no change', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    const { cursor } = await store.readChanges(undefined)
    await store.addKeys([keyOf(idOf(2)), keyOf(idOf(1))])
    await store.replaceKey(keyOf(idOf(1), { version: 5 }))
    await store.replaceOwner(ownerOf(idOf(1), { version: 5 }))
    expect((await store.readChanges(cursor)).keyIds).toEqual([])
  })
  test('a thousand changed keys are told by id, more as all', async () => {
    const { store } = get()
    const { cursor } = await store.readChanges(undefined)
    await addKeys(
      store,
      Array.from({ length: 1_000 }, (_, index) => keyOf(idOf(index))),
    )
    expect((await store.readChanges(cursor)).keyIds).toHaveLength(1_000)
    await store.addKeys([keyOf(idOf(1_000))])
    expect((await store.readChanges(cursor)).keyIds).toBe('all')
  })
  test('a cursor from beyond this store tells all', async () => {
    const { cursor } = await get().store.readChanges(undefined)
    expect((await get().store.readChanges(cursor + 5)).keyIds).toBe('all')
  })
}
