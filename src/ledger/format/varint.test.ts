import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VarintReader, writeVarint } from './encoding.ts'

test('a varint is read as it was written, up to 2^53', () => {
  fc.assert(
    fc.property(fc.nat(3), fc.maxSafeNat(), (start, value) => {
      const bytes = new Uint8Array(16)
      const end = writeVarint(bytes, start, value)
      const reader = new VarintReader()
      expect(reader.read(bytes, start, end)).toBe(value)
      expect(reader.at).toBe(end)
      // Cut short anywhere, it is no number.
      expect(reader.read(bytes, start, end - 1)).toBe(-1)
    }),
  )
})

test('a number that is too large is no safe integer', () => {
  const bytes = new Uint8Array(400).fill(0x80)
  bytes[399] = 1
  expect(Number.isSafeInteger(new VarintReader().read(bytes, 0, 400))).toBe(false)
})
