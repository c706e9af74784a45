import { expect, test } from 'vitest'
import type { KeyStore } from '../../src/keys/store/key-store.ts'
import { type Get, idOf, keyOf } from './key-fixtures.ts'

const minute = 60_000

async function lastUse(store: KeyStore, number: number): Promise<number | null | undefined> {
  return (await store.findKey(idOf(number)))?.lastUsedAt
}

/** When keys were used last is kept beside their records, and is no change of them. */
export function testKeyUses(get: Get): void {
  test('a new key was never used, whatever its record says, and a use is noted', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1), { lastUsedAt: 7 * minute }), keyOf(idOf(2))])
    expect(await lastUse(store, 1)).toBeNull()
    await store.noteUses([{ keyId: idOf(1), at: 5 * minute }])
    expect(await lastUse(store, 1)).toBe(5 * minute)
    expect(await lastUse(store, 2)).toBeNull()
    const { keys } = await store.listKeys({ sort: 'id', descending: false, limit: 10 })
    expect(keys.map(({ lastUsedAt }) => lastUsedAt)).toEqual([5 * minute, null])
  })
  test('the latest use stays, in whatever order uses are noted', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    for (const at of [3, 9, 2]) await store.noteUses([{ keyId: idOf(1), at: at * minute }])
    expect(await lastUse(store, 1)).toBe(9 * minute)
    await store.noteUses([11, 10].map((at) => ({ keyId: idOf(1), at: at * minute })))
    expect(await lastUse(store, 1)).toBe(11 * minute)
  })
  test('a use of a key that is not there makes none, and those beside it are noted', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    await store.noteUses([2, 1].map((number) => ({ keyId: idOf(number), at: minute })))
    await store.noteUses([])
    expect(await store.findKey(idOf(2))).toBeUndefined()
    expect(await lastUse(store, 1)).toBe(minute)
  })
  test('a use changes no version and no cache: changes have neither', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    const { cursor } = await store.readChanges(undefined)
    await store.noteUses([{ keyId: idOf(1), at: minute }])
    expect(await store.readChanges(cursor)).toMatchObject({ cursor, keyIds: [] })
    expect(await store.findKey(idOf(1))).toMatchObject({ version: 1, updatedAt: 1_000 })
  })
  test('a change that was made from the key before its use keeps the use', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    await store.noteUses([{ keyId: idOf(1), at: minute }])
    const next = keyOf(idOf(1), { version: 2, name: 'second', lastUsedAt: null })
    expect(await store.replaceKey(next)).toEqual({ outcome: 'replaced' })
    expect(await store.findKey(idOf(1))).toMatchObject({ name: 'second', lastUsedAt: minute })
    await store.noteUses([{ keyId: idOf(1), at: 2 * minute }])
    await store.replaceKey(keyOf(idOf(1), { version: 3, lastUsedAt: 9 * minute }))
    expect(await lastUse(store, 1)).toBe(2 * minute)
  })
}
