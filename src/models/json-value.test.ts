import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fitOf, isJsonValue } from './json-value.ts'

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

/** Values of every length that their parts may have as JSON. */
const values = fc.array(
  fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '\u0001', 'é', '日', '👍', '\ud800', '\udc00') }),
    fc.constantFrom<unknown>({ label: undefined, 'a"b': 1 }, -0, 1e21, -1.2345678901234567e-6, {}, []),
  ),
  { maxLength: 8 },
)

test('values fit in exactly as many bytes as they take as JSON', () => {
  fc.assert(
    fc.property(values, (given) => {
      const bytes = Buffer.byteLength(given.map((value) => JSON.stringify(value)).join())
      expect(fitOf(given, bytes)).toBe('fits')
      if (bytes > 0) expect(fitOf(given, bytes - 1)).toBe('too large')
    }),
  )
})

test('what is no JSON value does not fit, however much room there is', () => {
  expect(fitOf(['a', new Date(0)], 1_000)).toBe('not JSON')
  expect(fitOf(new Array(1), 1_000)).toBe('not JSON')
})

test('of values that are too large no more is looked at than would fit', () => {
  let looks = 0
  const row = new Proxy([], {
    get(_target, name) {
      if (name === 'length') return 30_000_000
      looks += 1
      return 0
    },
  })
  expect(fitOf([row], 1_000)).toBe('too large')
  // Holds itself 2 ** 60 times.
  let tree: unknown = 1
  for (let depth = 0; depth < 60; depth += 1) tree = [tree, tree]
  expect(fitOf([tree], 10_000)).toBe('too large')
  expect(looks).toBeLessThan(2_000)
})
