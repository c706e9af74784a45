import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyStatusAt } from './key-status.ts'

const never = { notBefore: null, expiresAt: null, disabledAt: null, revokedAt: null }

test.each([
  ['active with no bounds', never, 'active'],
  ['active from its first millisecond', { ...never, notBefore: 100 }, 'active'],
  ['not valid before it', { ...never, notBefore: 101 }, 'not_yet_valid'],
  ['active to the last millisecond before its expiry', { ...never, expiresAt: 101 }, 'active'],
  ['expired at its expiry', { ...never, expiresAt: 100 }, 'expired'],
  ['disabled', { ...never, disabledAt: 50 }, 'disabled'],
  [
    'revoked, even when expired and disabled too',
    { ...never, expiresAt: 10, disabledAt: 5, revokedAt: 7 },
    'revoked',
  ],
  ['expired, even when disabled too', { ...never, expiresAt: 10, disabledAt: 5 }, 'expired'],
] as const)('at 100 a key is %s', (_, fields, status) => {
  expect(keyStatusAt(fields, 100)).toBe(status)
})

test('an active key is inside its bounds and neither disabled nor revoked, and every such key is active', () => {
  const time = fc.option(fc.integer({ min: 0, max: 20 }))
  const fields = fc.record({ notBefore: time, expiresAt: time, disabledAt: time, revokedAt: time })
  fc.assert(
    fc.property(fields, fc.integer({ min: 0, max: 20 }), (key, now) => {
      const isInside = (key.notBefore ?? 0) <= now && now < (key.expiresAt ?? 21)
      const isActive = isInside && key.disabledAt === null && key.revokedAt === null
      expect(keyStatusAt(key, now) === 'active').toBe(isActive)
    }),
  )
})
