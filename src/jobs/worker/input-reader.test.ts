import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InputReader } from './input-reader.ts'

const yieldTurn = async (): Promise<void> => {}

/** All that is left, in slices. */
function slicesOf(reader: InputReader, max: number): (readonly unknown[])[] {
  const slices: (readonly unknown[])[] = []
  for (let slice = reader.take(max); slice.length > 0; slice = reader.take(max)) slices.push(slice)
  return slices
}

describe('inputs', () => {
  test('are all taken in their order, at most so many at a time, behind those that are passed over', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(50),
        async (inputs, max, from) => {
          const text = JSON.stringify(inputs)
          const reader = new InputReader(text)
          await reader.skip(from, yieldTurn)
          const slices = slicesOf(reader, max)
          expect(slices.flat()).toEqual(JSON.parse(text).slice(from))
          expect(slices.map(({ length }) => length).every((length) => length > 0 && length <= max)).toBe(true)
          expect(slices.slice(0, -1).every(({ length }) => length === max)).toBe(true)
        },
      ),
    )
  })

  test('of text that is laid out are the same', () => {
    expect(slicesOf(new InputReader('[ "a, \\"b]", [1, {"c": ","}] ,\n null ]'), 2)).toEqual([
      ['a, "b]', [1, { c: ',' }]],
      [null],
    ])
    expect(slicesOf(new InputReader(' [ ] '), 2)).toEqual([])
  })
})
