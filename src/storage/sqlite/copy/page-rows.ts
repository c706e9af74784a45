import type { SqliteDatabase, SqlValue } from '../database.ts'

/** A table of a data folder, or what stands for one in a query. */
export interface PagedTable<Cells extends readonly SqlValue[]> {
  /** What is selected; the first columns are its key. */
  readonly columns: readonly string[]
  readonly keyColumns: number
  readonly from: string
  /** Which rows. @default all */
  readonly where?: string
  /** Where rows of one key become one. */
  readonly groupBy?: string
  readonly rowsAtOnce: number
  /** Of the type of the cells. */
  readonly of?: Cells
}

/** Reads a table in the order of its key, a page at a time: the rows behind a key, or all. */
export type Pages<Cells extends readonly SqlValue[]> = (after?: readonly SqlValue[]) => Generator<Cells>

export function createPages<Cells extends readonly SqlValue[]>(
  database: SqliteDatabase,
  { columns, keyColumns, from, where = 'TRUE', groupBy, rowsAtOnce }: PagedTable<Cells>,
): Pages<Cells> {
  const key = columns.slice(0, keyColumns).join(', ')
  const marks = columns.slice(0, keyColumns).map(() => '?')
  const select = (behind: string): string =>
    `SELECT ${columns.join(', ')} FROM ${from} WHERE ${where} ${behind}
      ${groupBy === undefined ? '' : `GROUP BY ${groupBy}`} ORDER BY ${key} LIMIT ${rowsAtOnce}`
  const first = database.prepareCells<Cells>(select(''))
  const next = database.prepareCells<Cells>(select(`AND (${key}) > (${marks.join(', ')})`))
  return function* pages(after) {
    let rows = after === undefined ? first.all() : next.all(...after.slice(0, keyColumns))
    while (rows.length > 0) {
      yield* rows
      const last = rows.at(-1) ?? []
      rows = rows.length < rowsAtOnce ? [] : next.all(...last.slice(0, keyColumns))
    }
  }
}
