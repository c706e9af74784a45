import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import type { KeyQuery, KeyStore } from '../../src/keys/store/key-store.ts'
import { scaled } from '../support/scaled.ts'
import { testAnswers } from './answers.contract.ts'
import { testChanges } from './changes.contract.ts'
import { testImportedKeys } from './imported-keys.contract.ts'
import {
  digestOf,
  type Get,
  idOf,
  keyOf,
  type OpenedStore,
  type OpenStore,
  ownerOf,
  plain,
} from './key-fixtures.ts'
import { testKeyUses } from './key-uses.contract.ts'
import { testListing } from './listing.contract.ts'
import { testOwnerKeys } from './owner-keys.contract.ts'
import { testOwners } from './owners.contract.ts'
import { testSequences } from './sequences.contract.ts'

/**
 * The promises of `KeyStore`, for every store.
 *
 * @param part how much of the random sequences is played: less where a store is slow to open
 */
export function describeKeyStore(name: string, open: OpenStore, part: number = 1): void {
  describe(`key store: ${name}`, () => {
    let now: number
    let opened: OpenedStore
    let store: KeyStore
    beforeEach(async () => {
      now = 5_000
      opened = await open(() => now)
      store = opened.store
    })
    afterEach(() => opened.dispose())
    const get = (): { store: KeyStore; moveTo: (time: number) => void } => ({
      store,
      moveTo: (time) => {
        now = time
      },
    })
    describe('keys', () => testKeys(get))
    describe('imported keys', () => testImportedKeys(get))
    describe('uses of keys', () => testKeyUses(get))
    describe('owners', () => testOwners(get, open, scaled(60 * part)))
    describe('keys of an owner', () => testOwnerKeys(get))
    describe('stored answers', () => testAnswers(get))
    describe('changes', () => testChanges(get))
    describe('settings', () => testSettings(get))
    describe('listing', () => testListing(get, open, scaled(150 * part)))
    describe('models', () => testSequences(open, scaled(80 * part)))
    test('after close every call rejects with store_unavailable', async () => {
      await store.close()
      const query: KeyQuery = { sort: 'id', descending: false, limit: 10 }
      const calls: readonly (() => Promise<unknown>)[] = [
        () => store.findKey(idOf(1)),
        () => store.findImportedKey([digestOf('a')]),
        () => store.listKeys(query),
        () => store.addKeys([keyOf(idOf(1))]),
        () => store.replaceKey(keyOf(idOf(1))),
        () => store.noteUses([{ keyId: idOf(1), at: 0 }]),
        () => store.findOwner('a'),
        () => store.replaceOwner(ownerOf('a')),
        () => store.listOwners({ limit: 10 }),
        () => store.findAnswer('a', now),
        () => store.readChanges(undefined),
        () => store.findSetting('a'),
        () => store.addSetting('a', 'b'),
      ]
      for (const call of calls)
        await expect(call()).rejects.toMatchObject({ name: 'Fault', code: 'store_unavailable' })
      await expect(store.close(), 'closing again').resolves.toBeUndefined()
    })
  })
}

// No NUL in a text: Node 22 cuts texts read from SQLite there. The guard lets no control character
// in.
const full: KeyRecord = keyOf(idOf(7), {
  version: 3,
  name: `O'Brien "100%" _x_ \\ ; DROP TABLE keys; -- \u{1F511} \t end`,
  owner: 'équipe/1',
  environment: 'test',
  scopes: ['predict', 'batch:run'],
  metadata: { plan: 'pro', nested: { list: [1, null, 'x'] }, $ref: true },
  addresses: ['10.0.0.0/8', '2001:db8::/32'],
  limits: ['10/min', 'shadow 1000/calendar day'],
  secrets: [
    { digest: digestOf('new'), pepperVersion: 2, createdAt: 2_000, endsAt: null },
    { digest: digestOf('old'), pepperVersion: 1, createdAt: 1_000, endsAt: 9_000 },
  ],
  imported: true,
  createdAt: 1_700_000_000_001,
  updatedAt: 1_700_000_000_002,
  notBefore: 0,
  expiresAt: 1_900_000_000_000,
  disabledAt: 1,
  isDisabledByOwner: true,
  revokedAt: 2,
  revokedReason: 'leaked\nin a log',
})

function testKeys(get: Get): void {
  test('a key comes back as it was added, field by field', async () => {
    expect(await get().store.addKeys([full])).toEqual({ outcome: 'added' })
    const found = await get().store.findKey(full.id)
    expect(plain(found)).toEqual(plain(full))
  })
  test('a key without limits, one with none and one with some stay apart, added and replaced', async () => {
    const { store } = get()
    const all = [null, [], ['10/min']]
    await store.addKeys(all.map((limits, index) => keyOf(idOf(index), { limits })))
    const limitsOf = async (): Promise<unknown[]> =>
      (await store.listKeys({ sort: 'id', descending: false, limit: 10 })).keys.map(({ limits }) => limits)
    expect(await limitsOf()).toEqual(all)
    for (const [index, limits] of all.toReversed().entries())
      await store.replaceKey(keyOf(idOf(index), { version: 2, limits }))
    expect(await limitsOf()).toEqual(all.toReversed())
    expect((await store.findKey(idOf(0)))?.limits).toEqual(['10/min'])
  })
  test('an unknown id finds nothing, whatever it is made of', async () => {
    await get().store.addKeys([keyOf(idOf(1))])
    for (const id of ['', idOf(2), idOf(1).toUpperCase(), `${idOf(1)} `, "' OR 1=1 --", '%', '\0'])
      expect(await get().store.findKey(id), JSON.stringify(id)).toBeUndefined()
  })
  test('several keys are added all or none: an id that is taken refuses them all', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    expect(await store.addKeys([keyOf(idOf(2)), keyOf(idOf(1), { name: 'other' })])).toEqual({
      outcome: 'taken',
    })
    expect(await store.findKey(idOf(2))).toBeUndefined()
    expect((await store.findKey(idOf(1)))?.name).toBe(keyOf(idOf(1)).name)
  })
  test('the same id twice in one call is taken, and nothing is added', async () => {
    const { store } = get()
    expect(await store.addKeys([keyOf(idOf(1)), keyOf(idOf(1))])).toEqual({ outcome: 'taken' })
    expect(await store.findKey(idOf(1))).toBeUndefined()
  })
  test('a key is replaced from the version it was read at, once', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    const next = keyOf(idOf(1), { version: 2, name: 'second' })
    expect(await store.replaceKey(next)).toEqual({ outcome: 'replaced' })
    expect(await store.replaceKey({ ...next, name: 'lost' })).toEqual({ outcome: 'stale' })
    expect(await store.replaceKey({ ...next, version: 4 })).toEqual({ outcome: 'stale' })
    expect((await store.findKey(idOf(1)))?.name).toBe('second')
  })
  test('of many who replace the same version at once, one does', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        store.replaceKey(keyOf(idOf(1), { version: 2, name: `by ${index}` })),
      ),
    )
    expect(outcomes.filter(({ outcome }) => outcome === 'replaced')).toHaveLength(1)
  })
  test('a key that is not there cannot be replaced, and is not made', async () => {
    const { store } = get()
    expect(await store.replaceKey(keyOf(idOf(1), { version: 2 }))).toEqual({ outcome: 'stale' })
    expect(await store.findKey(idOf(1))).toBeUndefined()
  })
  test('what was added or given out is out of reach of later changes', async () => {
    const { store } = get()
    const digest = digestOf('secret')
    const metadata = { list: [1] }
    const scopes = ['predict']
    const limits = ['10/min']
    const secrets = [{ digest, pepperVersion: 1, createdAt: 1, endsAt: null }]
    await store.addKeys([keyOf(idOf(1), { metadata, scopes, limits, secrets })])
    digest.fill(0)
    metadata.list.push(2)
    scopes.push('admin')
    limits.pop()
    secrets.pop()
    const first = await store.findKey(idOf(1))
    first?.secrets[0]?.digest.fill(9)
    const second = await store.findKey(idOf(1))
    const listed = (await store.listKeys({ sort: 'id', descending: false, limit: 1 })).keys[0]
    for (const found of [second, listed]) {
      expect(found?.metadata).toEqual({ list: [1] })
      expect(found?.scopes).toEqual(['predict'])
      expect(found?.limits).toEqual(['10/min'])
      expect(Buffer.from(found?.secrets[0]?.digest ?? [])).toEqual(Buffer.from(digestOf('secret')))
    }
  })
  test('a key that is given out is frozen, and so is all in it but the bytes', async () => {
    await get().store.addKeys([full])
    const found = await get().store.findKey(full.id)
    const parts: unknown[] = [found, found?.scopes, found?.addresses, found?.limits, found?.secrets]
    parts.push(...[found?.secrets[0], found?.metadata, ...Object.values(found?.metadata ?? {})])
    for (const part of parts) expect(Object.isFrozen(part)).toBe(true)
  })
}

function testSettings(get: Get): void {
  test('a setting is set once, and later writers get the value that stands', async () => {
    const { store } = get()
    expect(await store.findSetting('check')).toBeUndefined()
    expect(await store.addSetting('check', 'first')).toBe('first')
    expect(await store.addSetting('check', 'second')).toBe('first')
    expect(await store.findSetting('check')).toBe('first')
  })
}
