import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseJsonText } from './json-text.ts'
import { parseLargeJson, pieceBytes } from './large-json.ts'
import { JsonScan } from './scan-json.ts'

const unbounded = { depth: Number.POSITIVE_INFINITY, values: Number.POSITIVE_INFINITY }
const valueBytesMax = 1_000_000

interface Read {
  readonly value: unknown
  /** In how many steps. */
  readonly steps: number
}

/** @param cutBytes how far apart lists are cut: so near, short texts are cut, too */
function readInPieces(text: string, cutBytes = 1): Read {
  const body = Buffer.from(text)
  const scan = new JsonScan(body, unbounded, cutBytes)
  scan.readOn(body.length)
  const reading = parseLargeJson(body, scan, valueBytesMax)
  for (let steps = 1; ; steps += 1) {
    const { done, value } = reading.next()
    if (done === true) return { value, steps }
  }
}

/** What it is, or as what it is refused. */
function outcomeOf(read: () => unknown): unknown {
  try {
    return { value: read() }
  } catch (refusal) {
    return { refused: (refusal as { errors: { type: string }[] }).errors[0]?.type }
  }
}

const names = fc.constantFrom('texts', 'inputs', 'a', '')
const list = fc.array(fc.jsonValue(), { maxLength: 6 })
const body = fc.oneof(
  fc.jsonValue(),
  list,
  fc.dictionary(names, list),
  fc.dictionary(names, fc.oneof(list, fc.jsonValue())),
)

describe('JSON read in pieces', () => {
  test('is what it is read at once', () => {
    fc.assert(
      fc.property(
        body,
        fc.constantFrom(undefined, 2),
        fc.integer({ min: 1, max: 40 }),
        (value, space, cut) => {
          const text = JSON.stringify(value, undefined, space)
          expect(outcomeOf(() => readInPieces(text, cut).value)).toEqual(outcomeOf(() => parseJsonText(text)))
        },
      ),
    )
  })

  test('is refused where it is refused at once, whatever was changed in it', () => {
    const change = fc.tuple(
      fc.nat(),
      fc.constantFrom('', ',', '[', ']', '{', '}', ':', '"', '\\', ' ', '0', ',,', '],[', '"texts":[1,2],'),
      fc.boolean(),
    )
    fc.assert(
      fc.property(body, fc.array(change, { minLength: 1, maxLength: 3 }), (value, changes) => {
        let text = JSON.stringify(value)
        for (const [where, insert, replaces] of changes) {
          const at = where % (text.length + 1)
          text = text.slice(0, at) + insert + text.slice(at + (replaces ? 1 : 0))
        }
        // Of two reasons either may be the first.
        const isRefused = { refused: expect.stringMatching(/^(?:json_invalid|name_forbidden)$/) }
        const atOnce = outcomeOf(() => parseJsonText(text)) as object
        const expected = 'refused' in atOnce ? isRefused : atOnce
        expect(outcomeOf(() => readInPieces(text).value)).toEqual(expected)
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    ['{"texts":["a","b"],"texts":["c","d"]}', { texts: ['c', 'd'] }],
    ['{"texts":["a","b"],"texts":1}', { texts: 1 }],
    ['{"a":[1,2],"b":[[3,4],[5]],"c":{"d":[6,7]}}', { a: [1, 2], b: [[3, 4], [5]], c: { d: [6, 7] } }],
    [' [ 1 , 2 ] ', [1, 2]],
    [
      '[[1,2],[3,4]]',
      [
        [1, 2],
        [3, 4],
      ],
    ],
  ])('%s', (text, value) => {
    expect(readInPieces(text).value).toEqual(value)
  })

  test.each([
    '{"texts":[1,2],[3,4]:0}',
    '{"a":[1,,2]}',
    '{"a":[1,2,]}',
    '{"a":[,1,2]}',
    '{"a":[1,2}',
    '{"a":[1,2]',
    '[1,2]]',
    '[1,2][3,4]',
  ])('%s is no JSON', (text) => {
    expect(outcomeOf(() => readInPieces(text))).toEqual({ refused: 'json_invalid' })
  })

  test('has no forbidden name in a piece', () => {
    expect(outcomeOf(() => readInPieces('{"texts":[1,{"__proto__":2},3]}'))).toEqual({
      refused: 'name_forbidden',
    })
  })

  test('of megabytes takes a step for each piece', () => {
    const texts = Array.from({ length: 8_000 }, (_, index) => `${index} `.repeat(100))
    const text = JSON.stringify({ texts })
    const read = readInPieces(text, pieceBytes)
    expect(read.value).toEqual({ texts })
    expect(read.steps).toBeGreaterThan(text.length / pieceBytes)
  })

  test('may have one value of the most bytes in a list, and as much beside its lists', () => {
    const longest = JSON.stringify('x'.repeat(valueBytesMax - 2))
    const short = `"${'x'.repeat(pieceBytes)}"`
    const values = [short, longest, short]
    expect(readInPieces(`{"texts":[${values}]}`, pieceBytes).value).toEqual({
      texts: values.map((value) => JSON.parse(value)),
    })
    expect(readInPieces(`{"text":${longest}}`, pieceBytes).value).toEqual({ text: JSON.parse(longest) })
  })

  test.each([
    ['a list has', (long: string) => `{"texts":["a",${long},"b"]}`],
    ['a list has first', (long: string) => `{"texts":[${long},"b"]}`],
    ['is beside its lists', (long: string) => `{"texts":["a","b"],"a":${long}}`],
    ['has all', (long: string) => long],
  ])('is refused where %s a value of many more bytes', (_where, write) => {
    const long = JSON.stringify('x'.repeat(valueBytesMax + pieceBytes))
    expect(outcomeOf(() => readInPieces(write(long), pieceBytes))).toEqual({ refused: 'too_large' })
  })

  test('is refused where a value has more objects, lists and names than are parsed at once', () => {
    const objects = (count: number): string => `[${Array.from({ length: count }, () => '{}').join(',')}]`
    const names = (count: number): string =>
      `{${Array.from({ length: count }, (_, index) => `"${index}":0`).join(',')}}`
    for (const fits of [objects(40_000), objects(60_000), names(30_000)])
      expect(readInPieces(`{"texts":[${fits},${fits},${fits}]}`, pieceBytes).value).toEqual({
        texts: [JSON.parse(fits), JSON.parse(fits), JSON.parse(fits)],
      })
    for (const more of [objects(90_000), names(45_000)]) {
      const refused = { refused: 'too_many_values' }
      expect(outcomeOf(() => readInPieces(`{"texts":["a",${more}]}`, pieceBytes))).toEqual(refused)
      expect(outcomeOf(() => readInPieces(`{"texts":["a","b"],"c":{"d":${more}}}`, pieceBytes))).toEqual(
        refused,
      )
    }
  })
})
