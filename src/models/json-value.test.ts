import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isJsonValue } from './json-value.ts'

test('whatever JSON can say is a JSON value, and comes back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      expect(isJsonValue(value)).toBe(true)
    }),
  )
})

test('whatever passes is read back as the same', () => {
  fc.assert(
    fc.property(
      fc.anything({
        withDate: true,
        withMap: true,
        withTypedArray: true,
        withBigInt: true,
        withSparseArray: true,
      }),
      (value) => {
        if (isJsonValue(value)) expect(JSON.parse(JSON.stringify({ value }))).toEqual({ value })
      },
    ),
  )
})

test('a property that is undefined counts as absent', () => {
  expect(isJsonValue({ label: 'a', note: undefined })).toBe(true)
})

const holdsItself: unknown[] = []
holdsItself.push(holdsItself)

test.each([
  ['undefined', undefined],
  ['a number that JSON lacks', [Number.NaN]],
  ['infinity', { score: Number.POSITIVE_INFINITY }],
  ['a big integer', 1n],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['a typed array', Float32Array.of(1)],
  ['a function', { toJSON: () => 1 }],
  ['an instance of a class', new (class {})()],
  ['an array with a hole', new Array(1)],
  ['an array that holds itself', holdsItself],
])('%s is not a JSON value', (_what, value) => {
  expect(isJsonValue(value)).toBe(false)
})
