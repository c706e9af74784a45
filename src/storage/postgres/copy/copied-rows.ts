import { SetupError } from '../../../core/setup-error.ts'
import { type CopiedCell, type CopiedRow, type CopiedTable, ownSettings } from '../../copy/copied-tables.ts'
import type { Postgres } from '../postgres.ts'
import { createOpenCopy } from './open-copy.ts'

/** Bytes that one statement writes, but for its last row. */
const bytesAtOnce = 1_048_576

/** The rows of a table that is copied into. */
export interface CopiedRows {
  /** The row whose key is the last; undefined without one. */
  readonly last: () => Promise<CopiedRow | undefined>
  /**
   * Writes rows a bounded piece at a time; those that are there stay as they are.
   *
   * @throws SetupError `database_unsuitable` once the copy has ended
   */
  readonly write: (rows: Iterable<CopiedRow>) => Promise<void>
  /** All rows in the order of the key, or those behind one, a page at a time. */
  readonly read: (after?: CopiedRow) => AsyncGenerator<CopiedRow>
  /** Has later rows numbered behind those that were copied. */
  readonly numberOn: () => Promise<void>
}

export function createCopiedRows(
  postgres: Postgres,
  { name, columns, keyColumns, fills, identity, rowsAtOnce }: CopiedTable,
): CopiedRows {
  const { query, schema, name: database } = postgres
  const open = createOpenCopy(postgres)
  const all = `${schema}.${name}`
  const names = columns.map(([column]) => column)
  const key = names.slice(0, keyColumns)
  const where = name === 'settings' ? `WHERE name <> '${ownSettings.target}'` : 'WHERE true'
  const write = fills === 'put' ? putStatement(all, columns) : addStatement(all, columns, identity)
  const asked = key.map((_, index) => `$${index + 1}::${columns[index]?.[1]}`)
  const select = (behind: string, order: string, limit: number): string =>
    `SELECT ${names.join(', ')} FROM ${all} ${where} ${behind} ORDER BY ${order} LIMIT ${limit}`
  const [inOrder, backwards] = [key.join(', '), key.map((column) => `${column} DESC`).join(', ')]
  const next = select(`AND (${key.join(', ')}) > (${asked.join(', ')})`, inOrder, rowsAtOnce)
  const rowOf = (row: Readonly<Record<string, CopiedCell>>): CopiedRow =>
    names.map((column) => row[column] ?? null)

  async function writeSome(rows: readonly CopiedRow[]): Promise<void> {
    if (rows.length === 0) return
    await open.write(
      write,
      names.map((_, at) => rows.map((row) => sentCell(row[at] ?? null))),
    )
  }

  return {
    async last() {
      const [row] = await query<Record<string, CopiedCell>>(select('', backwards, 1))
      return row && rowOf(row)
    },
    async write(rows) {
      let some: CopiedRow[] = []
      let bytes = 0
      for (const row of rows) {
        refuseUnstorable(row, `${database}: ${name}`)
        some.push(row)
        bytes += sizeOf(row)
        if (some.length < rowsAtOnce && bytes < bytesAtOnce) continue
        await writeSome(some)
        some = []
        bytes = 0
      }
      await writeSome(some)
    },
    async *read(after) {
      let rows = await (after === undefined
        ? query<Record<string, CopiedCell>>(select('', inOrder, rowsAtOnce))
        : query<Record<string, CopiedCell>>(next, after.slice(0, keyColumns)))
      while (rows.length > 0) {
        for (const row of rows) yield rowOf(row)
        const last = rows.at(-1)
        if (last === undefined || rows.length < rowsAtOnce) return
        rows = await query<Record<string, CopiedCell>>(next, rowOf(last).slice(0, keyColumns))
      }
    },
    async numberOn() {
      if (identity === undefined) return
      const [place = ''] = key
      await open.write(
        `SELECT setval(pg_get_serial_sequence($1, $2), last)
          FROM open_copy, (SELECT max(${place}) AS last FROM ${all}) AS l WHERE last IS NOT NULL`,
        [all, place],
      )
    },
  }
}

function unnest(columns: CopiedTable['columns']): string {
  return `unnest(${columns.map(([, type], at) => `$${at + 1}::${type}[]`).join(', ')})`
}

function addStatement(
  all: string,
  columns: CopiedTable['columns'],
  identity: CopiedTable['identity'],
): string {
  const overriding = identity === 'always' ? 'OVERRIDING SYSTEM VALUE' : ''
  return `INSERT INTO ${all} (${columns.map(([column]) => column).join(', ')}) ${overriding}
    SELECT u.* FROM open_copy, ${unnest(columns)} AS u ON CONFLICT DO NOTHING RETURNING 1`
}

function putStatement(all: string, columns: CopiedTable['columns']): string {
  const [[key] = [''], ...others] = columns
  const names = columns.map(([column]) => column).join(', ')
  return `UPDATE ${all} AS t SET ${others.map(([column]) => `${column} = u.${column}`).join(', ')}
    FROM open_copy, ${unnest(columns)} AS u (${names}) WHERE t.${key} = u.${key} RETURNING 1`
}

/** The driver takes other arrays of bytes for lists of numbers. */
export function sentCell(cell: CopiedCell): unknown {
  if (!(cell instanceof Uint8Array)) return cell
  return Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength)
}

function sizeOf(row: CopiedRow): number {
  let size = 0
  for (const cell of row) size += typeof cell === 'object' ? (cell?.byteLength ?? 0) : String(cell).length
  return size
}

/** PostgreSQL has no text with U+0000, which SQLite stores. */
function refuseUnstorable(row: CopiedRow, where: string): void {
  if (!row.some((cell) => typeof cell === 'string' && cell.includes('\u0000'))) return
  throw new SetupError(
    'database_unsuitable',
    `${where}: the row of ${JSON.stringify(row[0])} has a character U+0000, which PostgreSQL cannot store; change it in the folder`,
  )
}
