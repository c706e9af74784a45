import { expect, test } from 'vitest'
import { withoutUndefined } from './without-undefined.ts'

test('undefined fields are absent, so that a spread overwrites nothing; null and falsy values stay', () => {
  const changes = withoutUndefined({ name: undefined, owner: '', expiresAt: null, count: 0 })
  expect(Object.keys(changes)).toEqual(['owner', 'expiresAt', 'count'])
  expect({ name: 'a', ...changes }).toEqual({ name: 'a', owner: '', expiresAt: null, count: 0 })
})
