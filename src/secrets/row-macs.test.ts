import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePeppers } from './peppers.ts'
import { type Cell, createRowMacs } from './row-macs.ts'

const pepperOf = (version: number, byte: number): string =>
  `${version}:${Buffer.alloc(32, byte).toString('base64url')}`
const macsOf = (...lines: readonly string[]) => createRowMacs(parsePeppers(lines.join('\n'), 'the test'))

const cell: fc.Arbitrary<Cell> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.maxSafeInteger(),
  fc.uint8Array(),
  fc.constant(null),
)
const row = fc.array(cell, { maxLength: 5 })

test('a MAC is of its row alone: another row, or the same in another table, has another', () => {
  const macs = macsOf(pepperOf(1, 7))
  fc.assert(
    fc.property(row, row, (one, other) => {
      const isSame = JSON.stringify(one.map(plain)) === JSON.stringify(other.map(plain))
      expect(macs.isOf('keys', one, macs.of('keys', one))).toBe(true)
      expect(macs.isOf('keys', other, macs.of('keys', one))).toBe(isSame)
      expect(macs.isOf('owners', one, macs.of('keys', one))).toBe(false)
    }),
  )
})

test('no changed bit of a MAC passes, nor a missing one, one cut short, or one of another pepper', () => {
  const macs = macsOf(pepperOf(1, 7))
  const mac = macs.of('keys', ['a'])
  for (let bit = 0; bit < mac.length * 8; bit += 1) {
    const changed = Uint8Array.from(mac)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(macs.isOf('keys', ['a'], changed)).toBe(false)
  }
  expect(macs.isOf('keys', ['a'], null)).toBe(false)
  expect(macs.isOf('keys', ['a'], mac.subarray(0, 20))).toBe(false)
  expect(macs.isOf('keys', ['a'], macsOf(pepperOf(1, 8)).of('keys', ['a']))).toBe(false)
})

test('over a rotation rows hold, those of before for the new process and those of after for the old', () => {
  const before = macsOf(pepperOf(1, 7)).of('keys', ['a'])
  const rotated = macsOf(pepperOf(1, 7), pepperOf(2, 9))
  expect(rotated.isOf('keys', ['a'], before)).toBe(true)
  expect(macsOf(pepperOf(1, 7)).isOf('keys', ['a'], rotated.of('keys', ['a']))).toBe(true)
  const added = macsOf(pepperOf(2, 9)).of('keys', ['a'])
  expect(rotated.isOf('keys', ['a'], added)).toBe(true)
})

function plain(value: Cell): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') }
  return typeof value === 'string' ? value.toWellFormed() : Object.is(value, -0) ? 0 : value
}
