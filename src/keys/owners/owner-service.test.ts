import { describe, expect, test } from 'vitest'
import { headOf, openTestWard } from '../../../test/support/open-test-ward.ts'
import { createMemoryKeyStore } from '../../storage/memory/key-store.ts'
import { createTestWard } from '../../ward/test-ward.ts'
import type { KeyStore } from '../store/key-store.ts'

describe('the limits of an owner', () => {
  test('are stored in their shortest form, and found again; none were set of any other owner', async () => {
    const ward = await openTestWard()
    const set = await ward.owners.set('acme', ['1000/day', 'shadow 10 / minute'])
    expect(set).toEqual({
      owner: 'acme',
      version: 1,
      limits: ['1000/day', 'shadow 10/min'],
      createdAt: ward.time.now,
      updatedAt: ward.time.now,
    })
    expect(await ward.owners.get('acme')).toEqual(set)
    await ward.keys.create({ name: 'a', owner: 'globex' })
    await expect(ward.owners.get('globex')).rejects.toMatchObject({ code: 'not_found', status: 404 })
  })

  test('are put in the place of those before, and taken away by none; the owner stays', async () => {
    const ward = await openTestWard()
    const { createdAt } = await ward.owners.set('acme', ['10/min'])
    ward.time.now += 1_000
    expect(await ward.owners.set('acme', [])).toEqual({
      owner: 'acme',
      version: 2,
      limits: [],
      createdAt,
      updatedAt: ward.time.now,
    })
    expect((await ward.owners.list({ limit: 10 })).owners).toHaveLength(1)
  })

  test('set again as they are change nothing, so that no key is read again', async () => {
    const ward = await openTestWard()
    const first = await ward.owners.set('acme', ['60/min'])
    ward.time.now += 1_000
    ward.calls.clear()
    expect(await ward.owners.set('acme', ['60/minute'])).toEqual(first)
    expect(Object.fromEntries(ward.calls)).toEqual({ findOwner: 1 })
  })

  test('are refused with every fault at once, each in its place, and nothing is stored', async () => {
    const ward = await openTestWard()
    await expect(ward.owners.set('a\nb', ['10/min', '-1/min', '20/min'])).rejects.toMatchObject({
      code: 'input_invalid',
      errors: [
        { loc: ['path', 'owner'], type: 'label' },
        { loc: ['body', 'limits', 1], type: 'limit' },
        { loc: ['body', 'limits', 2], type: 'limit' },
      ],
    })
    expect((await ward.owners.list({ limit: 10 })).owners).toEqual([])
  })

  test('set by many at the same time are all set, one after the other', async () => {
    const ward = await openTestWard()
    await Promise.all([1, 2, 3, 4].map((amount) => ward.owners.set('acme', [`${amount}/min`])))
    expect((await ward.owners.get('acme')).version).toBe(4)
  })

  test('that another request always sets first are a conflict', async () => {
    const store: KeyStore = {
      ...createMemoryKeyStore(),
      replaceOwner: async () => ({ outcome: 'stale' }),
    }
    const ward = await openTestWard({ store })
    await expect(ward.owners.set('acme', [])).rejects.toMatchObject({ code: 'key_conflict', status: 409 })
  })

  test('that were set apply at once: what is in memory of the owner’s keys is dropped, and of no others', async () => {
    const ward = await openTestWard()
    for (const owner of ['acme', 'acme', 'globex']) {
      const { text } = await ward.keys.create({ name: 'a', owner })
      await ward.admit(headOf({ 'x-api-key': text }))
    }
    expect(ward.cachedKeys()).toBe(3)
    await ward.owners.set('acme', ['10/min'])
    expect(ward.cachedKeys()).toBe(1)
  })

  test('may be passed to a ward for tests', async () => {
    const ward = await createTestWard({
      keys: { alice: { owner: 'acme', limits: ['5/min'] } },
      owners: { acme: ['1000/day'] },
    })
    expect((await ward.owners.get('acme')).limits).toEqual(['1000/day'])
    const { keys } = await ward.keys.list({ sort: 'id', descending: false, limit: 2 })
    expect(keys).toMatchObject([{ name: 'alice', limits: ['5/min'] }])
    await expect(createTestWard({ owners: { acme: ['often'] } })).rejects.toMatchObject({
      code: 'input_invalid',
    })
    const wrong = { owners: { acme: '10/min' } } as never
    await expect(createTestWard(wrong)).rejects.toThrow(
      /`owners`: expected an object of limits, each an array/,
    )
  })
})
