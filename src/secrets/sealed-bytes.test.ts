import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openBytes, sealBytes } from './sealed-bytes.ts'

const key = randomBytes(32)

test('what was sealed opens, for what it belongs to', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (plain, boundTo) => {
      expect(openBytes(key, sealBytes(key, plain, boundTo), boundTo)).toEqual(Buffer.from(plain))
    }),
  )
})

test('one bit changed, another key, another belonging, or a tag cut short: it does not open', () => {
  const sealed = sealBytes(key, Buffer.from('secret'), 'acme')
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const changed = Buffer.from(sealed)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(() => openBytes(key, changed, 'acme')).toThrow()
  }
  expect(() => openBytes(randomBytes(32), sealed, 'acme')).toThrow()
  expect(() => openBytes(key, sealed, 'other')).toThrow()
  expect(() => openBytes(key, sealed.subarray(0, 20), 'acme')).toThrow()
})
