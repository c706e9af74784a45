import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonScan, scanJson } from './scan-json.ts'

const unbounded = { depth: Number.POSITIVE_INFINITY, values: Number.POSITIVE_INFINITY }

function scan(text: string) {
  return scanJson(Buffer.from(text), unbounded)
}

/** How deep a value is, and how many values and names it has. */
function shapeOf(value: unknown): { depth: number; values: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, values: 1 }
  const shapes = Object.values(value).map(shapeOf)
  const names = Array.isArray(value) ? 0 : shapes.length
  return {
    depth: 1 + Math.max(0, ...shapes.map(({ depth }) => depth)),
    values: 1 + names + shapes.reduce((sum, { values }) => sum + values, 0),
  }
}

describe('the shape of a JSON text', () => {
  test('has the depth of its value, and no fewer values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, space) => {
        const text = JSON.stringify(value, undefined, space)
        const { depth, values } = shapeOf(JSON.parse(text))
        const scanned = scan(text)
        expect(scanned.depth).toBe(depth)
        expect(scanned.values).toBeGreaterThanOrEqual(values)
        // Of an empty array or object one more at most.
        expect(scanned.values).toBeLessThanOrEqual(2 * values)
      }),
    )
  })

  test('is not that of what stands in its texts', () => {
    expect(scan('"[[,,::{{\\"[[\\\\"')).toEqual({ depth: 0, values: 1 })
    expect(scan('{"a\\\\":["\\\\\\"[","]"]}')).toEqual({ depth: 2, values: 5 })
  })

  test('is not that of what stands in long texts, however many escapes and quotes they have', () => {
    const pieces = fc.constantFrom('"', '\\', '\\\\', 'a', '[', ',', '\n', 'é')
    const text = fc.array(pieces, { maxLength: 150 }).map((all) => all.join(''))
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), (texts) => {
        expect(scan(JSON.stringify(texts))).toEqual({ depth: 1, values: 1 + texts.length })
      }),
    )
  })

  test('is there for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { depth, values } = scanJson(Buffer.from(bytes), unbounded)
        expect(depth).toBeLessThanOrEqual(bytes.length)
        expect(values).toBeLessThanOrEqual(bytes.length + 1)
      }),
    )
  })

  test('is read no further than where it passes a bound', () => {
    const brackets = Buffer.alloc(8_000_000, '[')
    expect(scanJson(brackets, { depth: 64, values: 1_000 })).toEqual({ depth: 65, values: 66 })
    const objects = Buffer.from(`[${'{},'.repeat(100_000)}{}]`)
    expect(scanJson(objects, { depth: 64, values: 1_000 }).values).toBe(1_001)
  })

  test('and where its lists can be cut are the same, in however many steps it is read', () => {
    const piece = fc.constantFrom('"', '\\', '\\\\', 'a', '[', ']', '{', '}', ',', ':', '"texts":["', '","')
    const text = fc.array(piece, { maxLength: 120 }).map((all) => all.join(''))
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }), (all, step, cut) => {
        const [atOnce, inSteps] = [0, 1].map(() => new JsonScan(Buffer.from(all), unbounded, cut))
        atOnce?.readOn(all.length)
        while (inSteps?.readOn(step) === true);
        expect(inSteps?.shape).toEqual(atOnce?.shape)
        expect(inSteps?.lists).toEqual(atOnce?.lists)
        expect(inSteps?.isBalanced).toBe(atOnce?.isBalanced)
        expect(inSteps?.weightOfPiece).toBe(atOnce?.weightOfPiece)
      }),
    )
  })

  test('of one text of a megabyte of quotes is read in steps', () => {
    const scan = new JsonScan(Buffer.from(JSON.stringify('"'.repeat(500_000))), unbounded)
    let steps = 1
    while (scan.readOn(10_000)) steps += 1
    expect(steps).toBeGreaterThan(90)
  })
})
