import { expect, test } from 'vitest'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import type { KeyStore, OwnerKeysBound } from '../../src/keys/store/key-store.ts'
import { answerOf, type Get, idOf, keyOf } from './key-fixtures.ts'

/** How many keys an owner may have, and changes that hold only while another key stays as it is. */
export function testOwnerKeys(get: Get): void {
  const bound: OwnerKeysBound = { owner: 'acme', liveMax: 3, storedMax: 5 }
  const acme = (number: number, fields: Partial<KeyRecord> = {}): KeyRecord =>
    keyOf(idOf(number), { owner: 'acme', ...fields })
  const add = async (keys: readonly KeyRecord[], store = get().store): Promise<string> =>
    (await store.addKeys(keys, undefined, bound)).outcome

  test('an owner with as many keys as it may have is full, all or none; others are not', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(90), { owner: 'other' }), keyOf(idOf(91), { owner: 'acm' })])
    expect(await add([acme(1), acme(2)])).toBe('added')
    expect(await add([acme(3), acme(4)])).toBe('full')
    expect(await store.findKey(idOf(3))).toBeUndefined()
    expect(await add([acme(3)])).toBe('added')
    expect(await add([acme(4)])).toBe('full')
    // Without a bound nothing is counted.
    expect((await store.addKeys([acme(4)])).outcome).toBe('added')
  })

  test('a revoked key makes room among the live, a disabled or ended one none, and all are stored', async () => {
    const { store } = get()
    await store.addKeys([acme(1, { disabledAt: 1 }), acme(2, { expiresAt: 1 }), acme(3)])
    expect(await add([acme(4)])).toBe('full')
    await store.replaceKey(acme(3, { version: 2, revokedAt: 9 }))
    expect(await add([acme(4)])).toBe('added')
    await store.replaceKey(acme(4, { version: 2, revokedAt: 9 }))
    expect(await add([acme(5)])).toBe('added')
    await store.replaceKey(acme(5, { version: 2, revokedAt: 9 }))
    expect(await add([acme(6)])).toBe('full')
  })

  test('of many that are added at once, as many are as there is room for', async () => {
    const { store } = get()
    const adding = Array.from({ length: 12 }, (_, index) => add([acme(index)]))
    const outcomes = await Promise.all(adding)
    expect(outcomes.filter((outcome) => outcome === 'added')).toHaveLength(3)
    expect(await countOf(store)).toBe(3)
  })

  test('a stored answer is given though the owner is full, and none is stored for what was not added', async () => {
    const { store } = get()
    const answer = answerOf('first')
    await store.addKeys([acme(1), acme(2), acme(3)], answer, bound)
    expect(await store.addKeys([acme(4)], answer, bound)).toMatchObject({ outcome: 'answered' })
    expect(await store.addKeys([acme(4)], answerOf('second'), bound)).toEqual({ outcome: 'full' })
    expect(await store.findAnswer('second', 5_000)).toBeUndefined()
  })

  test('a change is made only while its witness has the version that was read', async () => {
    const { store } = get()
    await store.addKeys([acme(1), acme(2)])
    const change = async (version: number, witness: number, of = idOf(2)): Promise<string> =>
      (await store.replaceKey(acme(1, { version }), undefined, { id: of, version: witness })).outcome
    expect(await change(2, 2)).toBe('stale')
    expect(await change(2, 1, idOf(3))).toBe('stale')
    expect((await store.findKey(idOf(1)))?.version).toBe(1)
    expect(await change(2, 1)).toBe('replaced')
    await store.replaceKey(acme(2, { version: 2 }))
    expect(await change(3, 1)).toBe('stale')
    expect(await change(3, 2)).toBe('replaced')
  })

  test('of two changes at once, each with the other’s key as witness, one is made', async () => {
    const { store } = get()
    await store.addKeys([acme(1), acme(2)])
    const revoke = (id: number, witness: number): ReturnType<KeyStore['replaceKey']> =>
      store.replaceKey(acme(id, { version: 2, revokedAt: 9 }), undefined, { id: idOf(witness), version: 1 })
    const outcomes = (await Promise.all([revoke(1, 2), revoke(2, 1)])).map(({ outcome }) => outcome)
    expect(outcomes.sort()).toEqual(['replaced', 'stale'])
  })
}

/** Keys of several stores over one place, made at once for an owner that may have five. */
export async function addAtOnce(stores: readonly KeyStore[]): Promise<number> {
  const bound: OwnerKeysBound = { owner: 'acme', liveMax: 5, storedMax: 50 }
  const adding = Array.from({ length: 30 }, (_, index) =>
    stores[index % stores.length]?.addKeys([keyOf(idOf(index), { owner: 'acme' })], undefined, bound),
  )
  const added = (await Promise.all(adding)).filter((done) => done?.outcome === 'added').length
  const [first] = stores
  expect(first && (await countOf(first))).toBe(added)
  return added
}

async function countOf(store: KeyStore): Promise<number> {
  return (await store.listKeys({ owner: 'acme', sort: 'id', descending: false, limit: 100 })).keys.length
}
