import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cutToWidth, displayWidth, printable } from './display-width.ts'
import { type Column, formatTable } from './table.ts'

interface Row {
  readonly id: string
  readonly name: string
}

const columns: readonly Column<Row>[] = [
  { title: 'ID', cell: (row) => row.id },
  { title: 'NAME', cell: (row) => row.name, mayCut: true },
]

const rows = fc.array(
  fc.record({ id: fc.stringMatching(/^[0-9A-Za-z]{12}$/), name: fc.string({ unit: 'grapheme' }) }),
  {
    minLength: 1,
  },
)

describe('formatTable', () => {
  test('no line is wider than the terminal where the ids fit, and no id is cut', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 20, max: 120 }), (table, width) => {
        const text = formatTable(table, columns, width)
        for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width)
        for (const { id } of table) expect(text).toContain(id)
      }),
    )
  })

  test('where no terminal is, nothing is cut', () => {
    const name = 'n'.repeat(500)
    expect(formatTable([{ id: 'a', name }], columns, Number.POSITIVE_INFINITY)).toBe(
      `ID  NAME\na   ${name}\n`,
    )
  })

  test('a terminal too narrow for the table gets one block for each row', () => {
    expect(formatTable([{ id: 'abcdefghijkl', name: 'n' }], columns, 10)).toBe(
      'ID    abcdefghijkl\nNAME  n\n',
    )
  })

  test('without rows there is nothing', () => {
    expect(formatTable([], columns, 80)).toBe('')
  })

  test('a name cannot move the cursor, begin a line or turn the text around', () => {
    const name = 'a\u001b[2Jb\nc\u202Ed\u200Be'
    expect(formatTable([{ id: 'x', name }], columns, 80)).toBe('ID  NAME\nx   a�[2Jb�c�d�e\n')
    expect(printable('é 日本 👩‍🚀')).toBe('é 日本 👩‍🚀')
  })
})

describe('displayWidth', () => {
  test.each([
    ['abc', 3],
    ['日本', 4],
    ['e\u0301', 1],
    ['👩‍🚀', 2],
    ['🇩🇪', 2],
    ['1️⃣', 2],
    ['☺', 1],
    ['☺️', 2],
    ['한국', 4],
    ['\u1112\u1161\u11AB', 2],
    ['ｶﾞ', 2],
    ['กำ', 2],
    ['\u200D', 0],
    ['', 0],
  ])('%s takes %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width)
  })

  test('a cut text is never wider than asked', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 20 }), (text, width) => {
        expect(displayWidth(cutToWidth(text, width))).toBeLessThanOrEqual(width)
      }),
    )
  })
})
