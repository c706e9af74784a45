import { createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatPosition, parsePosition } from '../format/position.ts'
import { createOwnerPositions } from './owner-positions.ts'

const bytes = randomBytes(32)
const keyOf = () => createSecretKey(bytes)
const of = createOwnerPositions(keyOf())
const place = fc.record({ block: fc.nat(999_999_999_999_999), index: fc.nat(999_999_999) })
const owner = fc.string({ minLength: 1, maxLength: 256 })

/** How many of the 128 bits differ. */
function bitsBetween(one: string, other: string): number {
  const [a, b] = [Buffer.from(one, 'base64url'), Buffer.from(other, 'base64url')]
  return a.reduce((sum, byte, at) => {
    const bits = (byte ^ (b[at] ?? 0)).toString(2)
    return sum + bits.replaceAll('0', '').length
  }, 0)
}

describe('the opaque text of a position', () => {
  test('is read back by its owner, by each process that has the same secret, and is always the same', () => {
    fc.assert(
      fc.property(owner, place, (name, at) => {
        const position = formatPosition(at)
        const text = of(name).hide(position)
        const afterRestart = createOwnerPositions(keyOf())(name)
        expect(text).toMatch(/^[\w-]{22}$/)
        expect(afterRestart.show(text)).toBe(position)
        expect(afterRestart.hide(position)).toBe(text)
      }),
    )
  })

  test('says nothing to another owner, or under another secret', () => {
    fc.assert(
      fc.property(owner, owner, place, (name, other, at) => {
        fc.pre(name !== other)
        const text = of(name).hide(formatPosition(at))
        expect(of(other).show(text)).toBeUndefined()
        expect(createOwnerPositions(createSecretKey(randomBytes(32)))(name).show(text)).toBeUndefined()
      }),
    )
  })

  test('of two that follow each other is as unlike as of any two, so that no distance shows', () => {
    // Bits of random texts differ like coins fall: 33 of 128 or fewer once in 30 million pairs.
    const step = fc.constantFrom({ block: 1, index: 0 }, { block: 0, index: 1 })
    fc.assert(
      fc.property(owner, place, step, (name, at, by) => {
        const next = { block: at.block + by.block, index: at.index + by.index }
        fc.pre(parsePosition(formatPosition(next)) !== undefined)
        const { hide } = of(name)
        expect(bitsBetween(hide(formatPosition(at)), hide(formatPosition(next)))).toBeGreaterThan(33)
      }),
    )
  })

  test('leaves no order: of many that rise, the texts fall as often', () => {
    const { hide } = of('acme')
    const texts = Array.from({ length: 1_000 }, (_, block) => Buffer.from(hide(`${block}.0`), 'base64url'))
    const rising = texts.filter((text, index) => Buffer.compare(text, texts[index + 1] ?? text) < 0).length
    // 499.5 on average, and 100 from it is eleven times the deviation of random permutations.
    expect(rising).toBeGreaterThan(400)
    expect(rising).toBeLessThan(600)
  })

  test('is told from each that is changed in one character, cut or longer', () => {
    const { hide, show } = of('acme')
    const character = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
    fc.assert(
      fc.property(place, fc.nat(21), character, (at, index, changed) => {
        const text = hide(formatPosition(at))
        fc.pre(text[index] !== changed)
        expect(show(text.slice(0, index) + changed + text.slice(index + 1))).toBeUndefined()
        expect(show(text.slice(0, index))).toBeUndefined()
        expect(show(text + changed)).toBeUndefined()
      }),
    )
  })

  test('is told from real positions and any other text', () => {
    const { show } = of('acme')
    fc.assert(fc.property(fc.oneof(fc.string(), place.map(formatPosition)), (text) => !show(text)))
    for (const text of ['', '12.3', 'first', 'A'.repeat(22), `${'A'.repeat(21)}B`, 'A'.repeat(1_000_000)])
      expect(show(text)).toBeUndefined()
  })
})
