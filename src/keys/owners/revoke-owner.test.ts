import { expect, test } from 'vitest'
import { Fault } from '../../core/fault.ts'
import { createTestWard } from '../../ward/test-ward.ts'
import { revokeOwner } from './revoke-owner.ts'

const noDamage = (id: string): void => expect.fail(`key ${id} is not damaged`)

const keysOf = (owner: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `${owner} ${index}`, owner }))

test('all keys of an owner are revoked, over several pages, and no other', async () => {
  const ward = await createTestWard()
  await ward.keys.createAll([...keysOf('acme', 1_100), ...keysOf('other', 3)])
  const revoked = await revokeOwner(ward.keys, 'acme', 'left', noDamage)
  expect(new Set(revoked.map(({ id }) => id)).size).toBe(1_100)
  expect((await ward.keys.list({ status: { is: 'active', now: ward.clock() }, owner: 'acme' })).keys).toEqual(
    [],
  )
  expect((await ward.keys.list({ owner: 'other' })).keys.every(({ revokedAt }) => revokedAt === null)).toBe(
    true,
  )
})

test('a key that is made meanwhile is revoked too', async () => {
  const { keys } = await createTestWard()
  await keys.createAll(keysOf('acme', 2))
  let isMade = false
  const late = {
    list: keys.list,
    async revoke(id: string) {
      // Its id may come before the page that is being read.
      if (!isMade) {
        isMade = true
        await keys.createAll(keysOf('acme', 5))
      }
      return keys.revoke(id)
    },
  }
  expect(await revokeOwner(late, 'acme', undefined, noDamage)).toHaveLength(7)
})

test('what fails is thrown once the others under way have ended', async () => {
  const { keys } = await createTestWard()
  const [first] = await keys.createAll(keysOf('acme', 3))
  let under = 0
  const failing = {
    list: keys.list,
    async revoke(id: string) {
      under += 1
      await keys.get(id)
      under -= 1
      if (id === first?.record.id) throw new Error('the disk is full')
      return keys.revoke(id)
    },
  }
  await expect(revokeOwner(failing, 'acme', undefined, noDamage)).rejects.toThrow('the disk is full')
  expect(under).toBe(0)
})

test('a key that cannot be read or changed is named once, and all others are revoked', async () => {
  const { keys } = await createTestWard()
  const issued = await keys.createAll(keysOf('acme', 70))
  const [unread = '', unchanged = ''] = issued.map(({ record }) => record.id)
  const damaged = {
    async list(query: Parameters<typeof keys.list>[0]) {
      const page = await keys.list(query)
      return { ...page, keys: page.keys.filter(({ id }) => id !== unread), damaged: [unread] }
    },
    async revoke(id: string) {
      if (id === unchanged) throw new Fault('store_unavailable', 'its row is in one index alone')
      return keys.revoke(id)
    },
  }
  const named: string[] = []
  expect(await revokeOwner(damaged, 'acme', undefined, (id) => named.push(id))).toHaveLength(68)
  expect(named.sort()).toEqual([unread, unchanged].sort())
})

test('a store that is out is no damage of each row', async () => {
  const { keys } = await createTestWard()
  await keys.createAll(keysOf('acme', 100))
  const out = { list: keys.list, revoke: () => Promise.reject(new Fault('store_unavailable', 'out')) }
  await expect(revokeOwner(out, 'acme', undefined, noDamage)).rejects.toThrow('out')
})
