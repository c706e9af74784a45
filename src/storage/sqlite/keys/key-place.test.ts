import { expect, test } from 'vitest'
import { neighboursMax, placeOf } from './key-place.ts'

test('places are part of the file format: these never change', () => {
  expect(['', 'k00000000001', '7Qm2xT0bKc9Z'].map(placeOf)).toMatchInlineSnapshot(`
    [
      3882932542953520,
      180401788610064,
      1686707127768080,
    ]
  `)
})

test('places of a hundred thousand ids in a row are whole, apart and within a rowid that a number holds', () => {
  const places = Array.from({ length: 100_000 }, (_, number) =>
    placeOf(`k${String(number).padStart(11, '0')}`),
  )
  expect(new Set(places).size).toBe(places.length)
  for (const place of places) {
    if (place % neighboursMax !== 0 || place < 0 || place > 2 ** 52) expect.fail(`place ${place}`)
  }
})
