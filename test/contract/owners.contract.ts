import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeyStore } from '../../src/keys/store/key-store.ts'
import { type Get, type OpenStore, ownerOf } from './key-fixtures.ts'

/** Records of owners, with keys or without. */
export function testOwners(get: Get, open: OpenStore, runs: number): void {
  test('an owner comes back as it was set, frozen; one that was not set is not found', async () => {
    const { store } = get()
    const record = ownerOf('équipe/1 "%" \u{1F511}', {
      limits: ['10/min', 'shadow 200000 characters/h'],
      createdAt: 1_700_000_000_001,
      updatedAt: 1_700_000_000_002,
    })
    expect(await store.findOwner(record.owner)).toBeUndefined()
    expect(await store.replaceOwner(record)).toEqual({ outcome: 'replaced' })
    const found = await store.findOwner(record.owner)
    expect(found).toEqual(record)
    expect([Object.isFrozen(found), Object.isFrozen(found?.limits)]).toEqual([true, true])
    for (const other of ['', '%', record.owner.toUpperCase(), `${record.owner} `])
      expect(await store.findOwner(other)).toBeUndefined()
  })
  test('an owner is replaced from the version it was read at, once, and added by version 1 alone', async () => {
    const { store } = get()
    const outcomeOf = async (version: number, limit: string): Promise<string> =>
      (await store.replaceOwner(ownerOf('acme', { version, limits: [limit] }))).outcome
    expect(await outcomeOf(2, '1/min')).toBe('stale')
    expect(await outcomeOf(0, '1/min')).toBe('stale')
    expect(await store.findOwner('acme')).toBeUndefined()
    expect(await outcomeOf(1, '2/min')).toBe('replaced')
    expect(await outcomeOf(1, '3/min')).toBe('stale')
    expect(await outcomeOf(3, '3/min')).toBe('stale')
    expect(await outcomeOf(2, '4/min')).toBe('replaced')
    expect(await store.findOwner('acme')).toMatchObject({ version: 2, limits: ['4/min'] })
  })
  test('of many who set the same owner for the first time at once, one does', async () => {
    const { store } = get()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        store.replaceOwner(ownerOf('acme', { limits: [`${index + 1}/min`] })),
      ),
    )
    expect(outcomes.filter(({ outcome }) => outcome === 'replaced')).toHaveLength(1)
  })
  test('what was set is out of reach of later changes', async () => {
    const { store } = get()
    const limits = ['10/min']
    await store.replaceOwner(ownerOf('acme', { limits }))
    limits.push('20/h')
    expect((await store.findOwner('acme'))?.limits).toEqual(['10/min'])
  })
  test('pages of owners are those of a list sorted by code points, none lost, none twice', async () => {
    await fc.assert(
      fc.asyncProperty(someOwners, fc.integer({ min: 1, max: 4 }), async (owners, limit) => {
        const { store, dispose } = await open(() => 0)
        try {
          for (const owner of owners) await store.replaceOwner(ownerOf(owner))
          expect(await listAllOwners(store, limit)).toEqual(owners.toSorted(compareCodePoints))
        } finally {
          await dispose()
        }
      }),
      { numRuns: runs },
    )
  })
}

const someOwners = fc.uniqueArray(
  fc.constantFrom('', 'a', 'A', 'aa', 'b', '%', '_', "'", 'é', '\u{e000}', '\u{ff5e}', '\u{1f511}'),
)

async function listAllOwners(store: KeyStore, limit: number): Promise<string[]> {
  const owners: string[] = []
  for (let hasMore = true; hasMore; ) {
    const after = owners.at(-1)
    const page = await store.listOwners(after === undefined ? { limit } : { limit, after })
    owners.push(...page.owners.map(({ owner }) => owner))
    hasMore = page.hasMore
  }
  return owners
}

function compareCodePoints(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0))
  for (const [index, point] of (left ?? []).entries()) {
    const other = right?.[index]
    if (other === undefined) return 1
    if (point !== other) return point - other
  }
  return (left?.length ?? 0) - (right?.length ?? 0)
}
