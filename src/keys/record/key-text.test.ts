import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { base62Alphabet, formatBase62 } from '../../core/base62.ts'
import { formatKey, hasValidChecksum, isKeyPrefix, type KeyFormat, keyPattern, parseKey } from './key-text.ts'

const base62 = (length: number) =>
  fc.string({ unit: fc.constantFrom(...base62Alphabet), minLength: length, maxLength: length })
const format = fc.record({
  prefix: fc.stringMatching(/^[a-z][a-z0-9]{1,11}$/),
  environment: fc.constantFrom('live' as const, 'test' as const),
})
const parts = fc.record({ id: base62(12), secret: base62(43) })
const ours: KeyFormat = { prefix: 'mw', environment: 'live' }

describe('a key', () => {
  test('is 70 characters under the default prefix, in the documented order', () => {
    const text = formatKey(ours, { id: '7Qm2xT0bKc9Z', secret: 'a'.repeat(43) })
    expect(text).toHaveLength(70)
    expect(text).toMatch(/^mw_live_7Qm2xT0bKc9Z_a{43}[0-9A-Za-z]{6}$/)
  })

  test('ends in the CRC-32 of all before it, in base62', () => {
    const text = formatKey(ours, { id: '7Qm2xT0bKc9Z', secret: 'a'.repeat(43) })
    const body = text.slice(0, -6)
    let value = 0
    for (const character of text.slice(-6)) value = value * 62 + base62Alphabet.indexOf(character)
    expect(value).toBe(crc32(body))
  })

  test('comes back whole from its text, whatever the prefix holds', () => {
    fc.assert(
      fc.property(format, parts, (anyFormat, key) => {
        expect(parseKey(formatKey(anyFormat, key), anyFormat)).toEqual(key)
      }),
    )
  })

  test('is no key any more with one character changed, left out, doubled or added', () => {
    fc.assert(
      fc.property(parts, fc.nat(69), fc.string({ minLength: 1, maxLength: 1 }), (key, at, other) => {
        const text = formatKey(ours, key)
        fc.pre(text[at] !== other)
        expect(parseKey(text.slice(0, at) + other + text.slice(at + 1), ours)).toBeUndefined()
        expect(parseKey(text.slice(0, at) + text.slice(at + 1), ours)).toBeUndefined()
        expect(parseKey(text.slice(0, at) + text[at] + text.slice(at), ours)).toBeUndefined()
        expect(parseKey(other + text, ours)).toBeUndefined()
        expect(parseKey(text + other, ours)).toBeUndefined()
      }),
    )
  })

  test('of another prefix or environment is no key here', () => {
    fc.assert(
      fc.property(format, format, parts, (one, other, key) => {
        fc.pre(one.prefix !== other.prefix || one.environment !== other.environment)
        expect(parseKey(formatKey(one, key), other)).toBeUndefined()
      }),
    )
  })

  test('is never read from arbitrary text, and reading never throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 100 }),
        (text) => parseKey(text, ours) === undefined,
      ),
    )
  })

  test('is found by the scanner pattern in the middle of other text', () => {
    fc.assert(
      fc.property(format, parts, (anyFormat, key) => {
        const text = formatKey(anyFormat, key)
        const [found] = `KEY="${text}", next`.match(keyPattern(anyFormat.prefix)) ?? []
        expect(found).toBe(text)
        expect(hasValidChecksum(text)).toBe(true)
      }),
    )
  })
})

describe('a prefix', () => {
  test.each(['mw', 'acme2024', 'a1', 'abcdefghijkl'])('may be %s', (prefix) => {
    expect(isKeyPrefix(prefix)).toBe(true)
  })

  test.each(['', 'a', 'M', 'Mw', '1a', 'a_b', 'abcdefghijklm', 'mw\n'])('may not be %j', (prefix) => {
    expect(isKeyPrefix(prefix)).toBe(false)
    expect(() => keyPattern(prefix)).toThrow(/key prefix: expected .*, got/)
  })
})

test('base62 counts in its own alphabet and pads with its zero', () => {
  expect(formatBase62(0, 6)).toBe('000000')
  expect(formatBase62(61, 2)).toBe('0z')
  expect(formatBase62(62, 2)).toBe('10')
  expect(formatBase62(2 ** 32 - 1, 6)).toBe('4gfFC3')
})
