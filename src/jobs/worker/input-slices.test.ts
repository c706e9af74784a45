import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inputSlices } from './input-slices.ts'

describe('slices of inputs', () => {
  test('are all inputs in their order, at most so many at a time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        (inputs, max) => {
          const text = JSON.stringify(inputs)
          const slices = [...inputSlices(text, max)]
          expect(slices.flat()).toEqual(JSON.parse(text))
          expect(slices.map(({ length }) => length).every((length) => length > 0 && length <= max)).toBe(true)
          expect(slices.slice(0, -1).every(({ length }) => length === max)).toBe(true)
        },
      ),
    )
  })

  test('of text that is laid out are the same', () => {
    expect([...inputSlices('[ "a, \\"b]", [1, {"c": ","}] ,\n null ]', 2)]).toEqual([
      ['a, "b]', [1, { c: ',' }]],
      [null],
    ])
    expect([...inputSlices(' [ ] ', 2)]).toEqual([])
  })
})
