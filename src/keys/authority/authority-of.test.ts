import { describe, expect, test } from 'vitest'
import { digestOf, idOf, keyOf } from '../../../test/contract/key-fixtures.ts'
import type { SecretRecord } from '../record/key-record.ts'
import { authorityOf, placeOf, refuseOlderSecret } from './authority-of.ts'

const secret = (name: string, createdAt: number): SecretRecord => ({
  digest: digestOf(name),
  pepperVersion: 1,
  createdAt,
  endsAt: null,
})

describe('which of its secrets a key was asked with', () => {
  const [newest, older] = [secret('newest', 2), secret('older', 1)]
  const key = keyOf(idOf(1), { secrets: [newest, older] })

  test('is known by its digest, under a new pepper by when it was made', () => {
    expect([placeOf(newest, key), placeOf(older, key)]).toEqual([0, 1])
    expect([placeOf(secret('other pepper', 2), key), placeOf(secret('other pepper', 1), key)]).toEqual([0, 1])
    expect([placeOf(undefined, key), placeOf(secret('gone', 3), key)]).toEqual([-1, -1])
  })

  test('is the older one where that is not known: of two that were made at one moment', () => {
    const both = keyOf(idOf(1), { secrets: [secret('a', 1), secret('b', 1)] })
    expect(placeOf(secret('other pepper', 1), both)).toBe(1)
  })

  test('decides whether it rotates the key, and no other', () => {
    expect(() => refuseOlderSecret({ key, secret: newest }, key)).not.toThrow()
    for (const used of [older, undefined])
      expect(() => refuseOlderSecret({ key, secret: used }, key)).toThrow('newest secret')
    expect(() => refuseOlderSecret({ key, secret: older }, keyOf(idOf(2)))).not.toThrow()
  })

  test('one that is gone by now gives nothing on', () => {
    const owner = { key: keyOf(idOf(1), { scopes: ['keys:owner'] }), secret: undefined }
    const authority = authorityOf(owner, 20)
    expect(() => authority.checkResult('key.created', undefined, keyOf(idOf(2), { scopes: [] }))).toThrow(
      'ends earlier',
    )
  })
})

test('a key without a scope for keys has no authority over any', () => {
  expect(() =>
    authorityOf({ key: keyOf(idOf(1), { scopes: ['keys:read'] }), secret: undefined }, 20),
  ).toThrow('`keys:owner`')
})
