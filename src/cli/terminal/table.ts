import { cutToWidth, displayWidth, printable } from './display-width.ts'

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  /**
   * Whether it may be cut on a narrow terminal. What is copied from the table, such as an id, may
   * not.
   * @default false
   */
  readonly mayCut?: boolean
}

/** Fewest columns of the terminal that a cut column keeps. */
const cutWidthMin = 6
const gap = '  '

/**
 * Lays rows out for people: a table where it fits into `width`, columns cut where they may be, and
 * otherwise one block for each row. Ends with a line end; nothing at all without rows.
 *
 * @param width columns of the terminal; infinite where the output is no terminal, and then nothing
 * is cut
 */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number,
): string {
  if (rows.length === 0) return ''
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((column) => printable(column.cell(row)))),
  ]
  const wanted = columns.map((_, index) => Math.max(...lines.map((line) => displayWidth(line[index] ?? ''))))
  const widths = fitWidths(wanted, columns, width - gap.length * (columns.length - 1))
  if (widths === undefined) return formatBlocks(lines)
  return lines.map((line) => `${formatLine(line, widths)}\n`).join('')
}

/** Takes from the widest column that may be cut until all fit; undefined where they never do. */
function fitWidths<Row>(
  wanted: readonly number[],
  columns: readonly Column<Row>[],
  room: number,
): readonly number[] | undefined {
  const widths = [...wanted]
  let over = widths.reduce((sum, width) => sum + width, 0) - room
  while (over > 0) {
    const widest = widths.reduce(
      (best, width, index) =>
        columns[index]?.mayCut === true && width > Math.max(cutWidthMin, widths[best] ?? 0) ? index : best,
      -1,
    )
    if (widest < 0) return undefined
    widths[widest] = (widths[widest] ?? 0) - 1
    over -= 1
  }
  return widths
}

function formatLine(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => {
      const width = widths[index] ?? 0
      const text = cutToWidth(cell, width)
      return text + ' '.repeat(width - displayWidth(text))
    })
    .join(gap)
    .trimEnd()
}

function formatBlocks([titles = [], ...rows]: readonly (readonly string[])[]): string {
  return rows
    .map((cells) => formatFields(titles.map((title, index) => [title, cells[index] ?? ''])))
    .join('\n')
}

/** Lays out names and values one below the other, values in one column. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...fields.map(([name]) => displayWidth(name)))
  return fields
    .map(([name, value]) =>
      `${name}${' '.repeat(width - displayWidth(name))}${gap}${printable(value)}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}
