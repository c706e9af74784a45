import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeIds } from './segment-postings.ts'
import { type PostingCells, SegmentTerms } from './segment-terms.ts'

const prefixes = ['key:', 'owner:']

function rowOf(term: string, ids: readonly number[]): PostingCells {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase()
  return [hex(Buffer.from(term)), hex(encodeIds(ids))]
}

// Few letters, so that texts often collide; with a NUL, a colon and a letter of several bytes.
const text = fc.string({ unit: fc.constantFrom('a', 'b', ':', '\0', 'é'), maxLength: 4 })
const block = fc.nat(300).map((id) => id + 1)
const rising = (ids: readonly number[]): readonly number[] =>
  [...new Set(ids)].toSorted((one, other) => one - other)
const terms = fc.uniqueArray(
  fc.record({ prefix: fc.constantFrom('key:', 'owner:', 'other:', ''), text, ids: fc.array(block) }),
  { selector: ({ prefix, text: value }) => prefix + value },
)

test('a text has the blocks that its row names, and no others', () => {
  fc.assert(
    fc.property(terms, fc.array(fc.tuple(fc.nat(1), text, block)), (rows, questions) => {
      const segment = new SegmentTerms(
        rows.map((row) => rowOf(row.prefix + row.text, rising(row.ids))),
        prefixes,
      )
      expect(segment.areOf(0, 301)).toBe(true)
      // What is there, and what may not be, in the order of blocks.
      const known = rows.flatMap(({ prefix, text: value, ids }) =>
        ids.map((id) => [prefixes.indexOf(prefix), value, id] as const),
      )
      const lookUps = [...known, ...questions].filter(([kind]) => kind >= 0)
      for (const [kind, value, id] of lookUps.toSorted((one, other) => one[2] - other[2])) {
        const term = `${prefixes[kind]}${value}`
        const isThere = rows.some((row) => row.prefix + row.text === term && row.ids.includes(id))
        const body = Buffer.from(`before${value}behind`)
        expect(segment.has(kind, body, 6, Buffer.byteLength(value), id), `${term} in ${id}`).toBe(isThere)
      }
    }),
  )
})

test.each([
  ['behind its end', [11, 21]],
  ['before its beginning', [10, 12]],
  ['with an impossible id', [0, 12]],
])('a row that names a block %s is not of the segment', (_what, ids) => {
  expect(new SegmentTerms([rowOf('key:a', [11, 20]), rowOf('other:b', ids)], prefixes).areOf(10, 20)).toBe(
    false,
  )
})

test('a row that names a block twice is not of the segment', () => {
  expect(new SegmentTerms([rowOf('key:a', [11, 11])], prefixes).areOf(10, 20)).toBe(false)
})

test('a row that names a block beyond all numbers is not of the segment', () => {
  const [term, blocks] = rowOf('other:b', [12])
  const huge = `${blocks}${'FF'.repeat(150)}7F`
  expect(new SegmentTerms([rowOf('key:a', [11, 20]), [term, huge]], prefixes).areOf(10, 20)).toBe(false)
})
