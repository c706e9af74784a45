import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KeyRecord } from '../../src/core/key-record.ts'
import type { KeyQuery, KeyStore } from '../../src/core/key-store.ts'
import { keySorts } from '../../src/core/key-store.ts'
import { type Standing, standingOf, standings } from '../../src/core/standing.ts'
import { answerOf, digestOf, idOf, keyOf, listAllIds, sortValue } from './key-fixtures.ts'

/** A fresh, empty store and how to end it. Each test has its own. */
export interface OpenedStore {
  readonly store: KeyStore
  readonly dispose: () => Promise<void>
}

/** Opens an empty store whose clock is the given one. */
export type OpenStore = (clock: () => number) => Promise<OpenedStore>

/** The promises of `KeyStore`, for every store. */
export function describeKeyStore(name: string, open: OpenStore): void {
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
    describe('answers kept for retries', () => testAnswers(get))
    describe('changes', () => testChanges(get))
    describe('settings', () => testSettings(get))
    describe('listing', () => testListing(get, open))
    describe('models', () => testModels(open))
    test('after close every call rejects with store_unavailable', async () => {
      await store.close()
      const query: KeyQuery = { sort: 'id', descending: false, limit: 10 }
      const calls: readonly (() => Promise<unknown>)[] = [
        () => store.findKey(idOf(1)),
        () => store.findImportedKey([digestOf('a')]),
        () => store.listKeys(query),
        () => store.addKeys([keyOf(idOf(1))]),
        () => store.replaceKey(keyOf(idOf(1))),
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

type Get = () => { store: KeyStore; moveTo: (time: number) => void }

const full: KeyRecord = keyOf(idOf(7), {
  version: 3,
  name: `O'Brien "100%" _x_ \\ ; DROP TABLE keys; -- \u{1F511} \0 end`,
  owner: 'équipe/1',
  environment: 'test',
  scopes: ['predict', 'batch:run'],
  metadata: { plan: 'pro', nested: { list: [1, null, 'x'] }, $ref: true },
  addresses: ['10.0.0.0/8', '2001:db8::/32'],
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
  revokedAt: 2,
  revokedReason: 'leaked\nin a log',
})

function testKeys(get: Get): void {
  test('a key comes back as it was added, field by field', async () => {
    expect(await get().store.addKeys([full])).toEqual({ outcome: 'added' })
    const found = await get().store.findKey(full.id)
    expect(plain(found)).toEqual(plain(full))
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
    const secrets = [{ digest, pepperVersion: 1, createdAt: 1, endsAt: null }]
    await store.addKeys([keyOf(idOf(1), { metadata, scopes, secrets })])
    digest.fill(0)
    metadata.list.push(2)
    scopes.push('admin')
    secrets.pop()
    const first = await store.findKey(idOf(1))
    first?.secrets[0]?.digest.fill(9)
    const second = await store.findKey(idOf(1))
    const listed = (await store.listKeys({ sort: 'id', descending: false, limit: 1 })).keys[0]
    for (const found of [second, listed]) {
      expect(found?.metadata).toEqual({ list: [1] })
      expect(found?.scopes).toEqual(['predict'])
      expect(Buffer.from(found?.secrets[0]?.digest ?? [])).toEqual(Buffer.from(digestOf('secret')))
    }
  })
  test('a key that is given out is frozen, and so is all in it but the bytes', async () => {
    await get().store.addKeys([full])
    const found = await get().store.findKey(full.id)
    const parts: unknown[] = [found, found?.scopes, found?.addresses, found?.secrets, found?.secrets[0]]
    parts.push(...[found?.metadata, ...Object.values(found?.metadata ?? {})])
    for (const part of parts) expect(Object.isFrozen(part)).toBe(true)
  })
}

function testImportedKeys(get: Get): void {
  const secretOf = (text: string): KeyRecord['secrets'][number] => ({
    digest: digestOf(text),
    pepperVersion: 0,
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

function testAnswers(get: Get): void {
  test('an answer is kept with the change it answers, and given instead of a second one', async () => {
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
  test('no answer is kept of what was refused', async () => {
    const { store } = get()
    await store.addKeys([keyOf(idOf(1))])
    await store.addKeys([keyOf(idOf(1))], answerOf('taken'))
    await store.replaceKey(keyOf(idOf(1), { version: 9 }), answerOf('stale'))
    expect(await store.findAnswer('taken', 5_000)).toBeUndefined()
    expect(await store.findAnswer('stale', 5_000)).toBeUndefined()
  })
  test('an answer ends at its moment: not found, and its name is free again', async () => {
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

function testChanges(get: Get): void {
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

function testSettings(get: Get): void {
  test('a setting is set once, and whoever comes later is told what it is', async () => {
    const { store } = get()
    expect(await store.findSetting('check')).toBeUndefined()
    expect(await store.addSetting('check', 'first')).toBe('first')
    expect(await store.addSetting('check', 'second')).toBe('first')
    expect(await store.findSetting('check')).toBe('first')
  })
}

function testListing(get: Get, open: OpenStore): void {
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
  test('pages of every filter, sort and direction are those of a sorted array, none lost, none twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fields, { maxLength: 30 }), queries, async (rows, query) => {
        const { store, dispose } = await open(() => 0)
        try {
          const keys = rows.map((row, index) => keyOf(idOf((index * 7) % 31), row))
          if (keys.length > 0) await store.addKeys(keys)
          expect(await listAllIds(store, query)).toEqual(modelIds(keys, query))
        } finally {
          await dispose()
        }
      }),
      { numRuns: 150 },
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
})
const queries: fc.Arbitrary<Omit<KeyQuery, 'after'>> = fc.record(
  {
    sort: fc.constantFrom(...keySorts),
    descending: fc.boolean(),
    limit: fc.integer({ min: 1, max: 8 }),
    owner: fc.constantFrom('one', 'two'),
    scope: fc.constantFrom('predict', 'admin'),
    environment: fc.constantFrom('live' as const, 'test' as const),
    standing: fc.record({ is: fc.constantFrom<Standing>(...standings), now: time }),
    nameContains: someName,
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
      (query.standing === undefined || standingOf(key, query.standing.now) === query.standing.is) &&
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

type Step =
  | { readonly kind: 'add'; readonly numbers: readonly number[]; readonly answer: string | undefined }
  | {
      readonly kind: 'replace'
      readonly number: number
      readonly version: number
      readonly answer: string | undefined
    }

const number = fc.integer({ min: 0, max: 3 })
const answerName = fc.option(fc.constantFrom('r1', 'r2'), { nil: undefined })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      numbers: fc.array(number, { minLength: 1, maxLength: 3 }),
      answer: answerName,
    }),
    fc.record({
      kind: fc.constant('replace' as const),
      number,
      version: fc.integer({ min: 1, max: 4 }),
      answer: answerName,
    }),
  ),
  { maxLength: 25 },
)

function testModels(open: OpenStore): void {
  test('any sequence of additions and replacements does what it does to a plain map', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const { store, dispose } = await open(() => 0)
        try {
          const model = { versions: new Map<string, number>(), answers: new Set<string>() }
          let { cursor } = await store.readChanges(undefined)
          for (const step of sequence) {
            const expected = modelOutcome(model, step)
            expect((await carryOut(store, step)).outcome).toBe(expected.outcome)
            const changes = await store.readChanges(cursor)
            expect([...changes.keyIds].sort()).toEqual([...expected.changed].sort())
            cursor = changes.cursor
          }
          for (const id of [0, 1, 2, 3].map(idOf))
            expect((await store.findKey(id))?.version).toBe(model.versions.get(id))
        } finally {
          await dispose()
        }
      }),
      { numRuns: 80 },
    )
  })
}

function carryOut(store: KeyStore, step: Step): Promise<{ outcome: string }> {
  const answer = step.answer === undefined ? undefined : answerOf(step.answer)
  if (step.kind === 'add')
    return store.addKeys(
      step.numbers.map((at) => keyOf(idOf(at))),
      answer,
    )
  return store.replaceKey(keyOf(idOf(step.number), { version: step.version }), answer)
}

function modelOutcome(
  model: { readonly versions: Map<string, number>; readonly answers: Set<string> },
  step: Step,
): { outcome: string; changed: readonly string[] } {
  if (step.answer !== undefined && model.answers.has(step.answer)) return { outcome: 'answered', changed: [] }
  const ids = step.kind === 'add' ? step.numbers.map(idOf) : [idOf(step.number)]
  if (step.kind === 'add') {
    if (new Set(ids).size < ids.length || ids.some((id) => model.versions.has(id)))
      return { outcome: 'taken', changed: [] }
    for (const id of ids) model.versions.set(id, 1)
  } else {
    const id = idOf(step.number)
    if (model.versions.get(id) !== step.version - 1) return { outcome: 'stale', changed: [] }
    model.versions.set(id, step.version)
  }
  if (step.answer !== undefined) model.answers.add(step.answer)
  return { outcome: step.kind === 'add' ? 'added' : 'replaced', changed: ids }
}

/** Bytes as hex, so that a Buffer and a Uint8Array of the same content are equal. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}
