import { expect, test } from 'vitest'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import { digestOf, type Get, idOf, keyOf } from './key-fixtures.ts'

/** Imported keys are found by their digests, and only they. */
export function testImportedKeys(get: Get): void {
  const secretOf = (text: string): KeyRecord['secrets'][number] => ({
    digest: digestOf(text),
    pepperVersion: 1,
    createdAt: 1,
    endsAt: null,
  })
  test('an imported key is found by each digest it keeps, among others that are not there', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1), { imported: true, secrets: [secretOf('b'), secretOf('a')] })])
    for (const text of ['a', 'b'])
      expect((await store.findImportedKey([digestOf('x'), digestOf(text)]))?.id).toBe(idOf(1))
    expect(await store.findImportedKey([digestOf('x')])).toBeUndefined()
    expect(await store.findImportedKey([])).toBeUndefined()
  })
  test('where two keys have one of the digests each, the first digest decides', async () => {
    const { store } = get()
    await store.addKeys([
      keyOf(idOf(1), { imported: true, secrets: [secretOf('a')] }),
      keyOf(idOf(2), { imported: true, secrets: [secretOf('b')] }),
    ])
    expect((await store.findImportedKey([digestOf('b'), digestOf('a')]))?.id).toBe(idOf(2))
  })
  test('a key of our own is never found by digest', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1), { secrets: [secretOf('a')] })])
    expect(await store.findImportedKey([digestOf('a')])).toBeUndefined()
    expect((await store.readChanges(undefined)).hasImportedKeys).toBe(false)
  })
  test('replacing puts the new digests in the place of the old: kept ones still find it, dropped ones do not', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1), { imported: true, secrets: [secretOf('b'), secretOf('a')] })])
    await store.replaceKey(
      keyOf(idOf(1), { version: 2, imported: true, secrets: [secretOf('c'), secretOf('b')] }),
    )
    const ids = await Promise.all(
      ['a', 'b', 'c'].map(async (text) => (await store.findImportedKey([digestOf(text)]))?.id),
    )
    expect(ids).toEqual([undefined, idOf(1), idOf(1)])
  })
  test('a digest that another imported key has is taken, within a call too', async () => {
    const { store } = get()
    const one = keyOf(idOf(1), { imported: true, secrets: [secretOf('a')] })
    const two = keyOf(idOf(2), { imported: true, secrets: [secretOf('a')] })
    expect(await store.addKeys([one, two])).toEqual({ outcome: 'taken' })
    await store.addKeys([one])
    expect(await store.addKeys([two])).toEqual({ outcome: 'taken' })
    expect(await store.findKey(idOf(2))).toBeUndefined()
  })
  test('a change that would give two imported keys one digest rejects, and nothing has happened', async () => {
    const { store } = get()
    await store.addKeys([
      keyOf(idOf(1), { imported: true, secrets: [secretOf('a')] }),
      keyOf(idOf(2), { imported: true, secrets: [secretOf('b')] }),
    ])
    const clash = keyOf(idOf(2), { version: 2, imported: true, secrets: [secretOf('a')] })
    await expect(store.replaceKey(clash)).rejects.toMatchObject({ code: 'internal' })
    expect((await store.findImportedKey([digestOf('b')]))?.version).toBe(1)
    expect((await store.findImportedKey([digestOf('a')]))?.id).toBe(idOf(1))
  })
}
