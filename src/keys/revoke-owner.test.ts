import { expect, test } from 'vitest'
import { createTestWard } from '../ward/test-ward.ts'
import { revokeOwner } from './revoke-owner.ts'

const keysOf = (owner: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `${owner} ${index}`, owner }))

test('all keys of an owner are revoked, over several pages, and no other', async () => {
  const ward = await createTestWard()
  await ward.keys.createAll([...keysOf('acme', 1_100), ...keysOf('other', 3)])
  const revoked = await revokeOwner(ward.keys, 'acme', 'left')
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
  expect(await revokeOwner(late, 'acme')).toHaveLength(7)
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
  await expect(revokeOwner(failing, 'acme')).rejects.toThrow('the disk is full')
  expect(under).toBe(0)
})
