import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeyRecord } from '../../src/keys/record/key-record.ts'
import { type KeyStatus, keyStatusAt, keyStatuses } from '../../src/keys/record/key-status.ts'
import { type KeyQuery, keySorts } from '../../src/keys/store/key-store.ts'
import { addUsedKeys, type Get, idOf, keyOf, listAllIds, type OpenStore, sortValue } from './key-fixtures.ts'

/** Listings are those of a sorted and filtered array. */
export function testListing(get: Get, open: OpenStore, runs: number): void {
  test('a name is matched in any case of ASCII letters, and literally: no wildcard, no quoting', async () => {
    const { store } = get()
    const names = ['100% Pure', '100 pure', 'a_b', 'aXb', "it's", 'ÉCOLE', 'école', 'back\\slash']
    await store.addKeys(names.map((name, index) => keyOf(idOf(index), { name })))
    const named = async (nameContains: string): Promise<string[]> => {
      const page = await store.listKeys({ sort: 'id', descending: false, limit: 100, nameContains })
      return page.keys.map((key) => key.name)
    }
    expect(await named('PURE')).toEqual(['100% Pure', '100 pure'])
    expect(await named('0%')).toEqual(['100% Pure'])
    expect(await named('A_B')).toEqual(['a_b'])
    expect(await named("T'S")).toEqual(["it's"])
    expect(await named('\\')).toEqual(['back\\slash'])
    expect(await named('É')).toEqual(['ÉCOLE'])
    expect(await named('')).toEqual(names)
  })
  test('a scope matches whole scopes only', async () => {
    const { store } = get()
    await store.addKeys([
      keyOf(idOf(1), { scopes: ['predict'] }),
      keyOf(idOf(2), { scopes: ['predict:batch', 'a"predict"b'] }),
      keyOf(idOf(3), { scopes: [] }),
    ])
    const ids = await listAllIds(store, { sort: 'id', descending: false, limit: 10, scope: 'predict' })
    expect(ids).toEqual([idOf(1)])
  })
  test('a filter that few of thousands match finds them all, under every sort and in both directions', async () => {
    const { store } = get()
    const keys = Array.from({ length: 2_001 }, (_, number) =>
      keyOf(idOf((number * 7) % 2_001), {
        scopes: number % 400 === 0 ? ['rare'] : [],
        createdAt: number % 5,
        expiresAt: number % 3 === 0 ? number % 50 : null,
        lastUsedAt: number % 3 === 0 ? number % 50 : null,
      }),
    )
    await addUsedKeys(store, keys)
    for (const sort of keySorts)
      for (const descending of [true, false]) {
        const query = { sort, descending, limit: 4, scope: 'rare' }
        expect(await listAllIds(store, query)).toEqual(modelIds(keys, query))
      }
    expect(await store.listKeys({ sort: 'name', descending: true, limit: 5, scope: 'none' })).toEqual({
      keys: [],
      hasMore: false,
    })
  })
  test('pages of every filter, sort and direction are those of a sorted array, none lost, none twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fields, { maxLength: 30 }), queries, async (rows, query) => {
        const { store, dispose } = await open(() => 0)
        try {
          const keys = rows.map((row, index) => keyOf(idOf((index * 7) % 31), row))
          if (keys.length > 0) await addUsedKeys(store, keys)
          expect(await listAllIds(store, query)).toEqual(modelIds(keys, query))
        } finally {
          await dispose()
        }
      }),
      { numRuns: runs },
    )
  })
}

/** Few values, so that ties are common; names that trip up patterns, quoting and orders. */
const time = fc.integer({ min: 0, max: 6 })
const maybeTime = fc.option(time, { nil: null })
const someName = fc.constantFrom(
  'a',
  'A',
  'b',
  '%',
  '_',
  "'",
  '"',
  'a%b',
  'A_B',
  'é',
  '',
  '\u{ff5e}',
  '\u{1f511}',
)
const fields: fc.Arbitrary<Partial<KeyRecord>> = fc.record({
  name: someName,
  owner: fc.constantFrom('one', 'two'),
  environment: fc.constantFrom('live' as const, 'test' as const),
  scopes: fc.subarray(['predict', 'admin', 'batch']),
  createdAt: time,
  updatedAt: time,
  notBefore: maybeTime,
  expiresAt: maybeTime,
  disabledAt: maybeTime,
  revokedAt: fc.option(time, { nil: null, freq: 1 }),
  lastUsedAt: maybeTime,
})
const queries: fc.Arbitrary<Omit<KeyQuery, 'after'>> = fc.record(
  {
    sort: fc.constantFrom(...keySorts),
    descending: fc.boolean(),
    limit: fc.integer({ min: 1, max: 8 }),
    owner: fc.constantFrom('one', 'two'),
    scope: fc.constantFrom('predict', 'admin'),
    environment: fc.constantFrom('live' as const, 'test' as const),
    status: fc.record({ is: fc.constantFrom<KeyStatus>(...keyStatuses), now: time }),
    nameContains: someName,
    unusedSince: time,
  },
  { requiredKeys: ['sort', 'descending', 'limit'] },
)

/** The listing's meaning, written out over an array. */
function modelIds(keys: readonly KeyRecord[], query: Omit<KeyQuery, 'after'>): string[] {
  const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  const found = keys.filter(
    (key) =>
      (query.owner === undefined || key.owner === query.owner) &&
      (query.scope === undefined || key.scopes.includes(query.scope)) &&
      (query.environment === undefined || key.environment === query.environment) &&
      (query.status === undefined || keyStatusAt(key, query.status.now) === query.status.is) &&
      (query.unusedSince === undefined || (key.lastUsedAt ?? key.createdAt) < query.unusedSince) &&
      (query.nameContains === undefined || lower(key.name).includes(lower(query.nameContains))),
  )
  const isNull = (key: KeyRecord): boolean => sortValue(key, query.sort) === null
  const sign = query.descending ? -1 : 1
  found.sort((a, b) => {
    if (isNull(a) !== isNull(b)) return isNull(a) ? 1 : -1
    return sign * (compare(sortValue(a, query.sort), sortValue(b, query.sort)) || compare(a.id, b.id))
  })
  return found.map((key) => key.id)
}

function compare(a: string | number | null, b: string | number | null): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [[...String(a)], [...String(b)]].map((characters) =>
    characters.map((character) => character.codePointAt(0) ?? 0),
  )
  for (const [index, point] of (left ?? []).entries()) {
    const other = right?.[index]
    if (other === undefined) return 1
    if (point !== other) return point - other
  }
  return (left?.length ?? 0) - (right?.length ?? 0)
}
