import { createHash } from 'node:crypto'
import type { CopiedCell, CopiedRow } from './copied-tables.ts'

/** How many rows a table has, and their SHA-256 in the order of its key, as hex digits. */
export interface CopiedDigest {
  readonly rows: number
  readonly digest: string
}

/** Adds up the rows of one side; both sides have one digest where all rows are the same. */
export async function digestRows(
  rows: Iterable<CopiedRow> | AsyncIterable<CopiedRow>,
): Promise<CopiedDigest> {
  const hash = createHash('sha256')
  let count = 0
  for await (const row of rows) {
    hash.update(`${JSON.stringify(row.map(writable))}\n`)
    count += 1
  }
  return { rows: count, digest: hash.digest('hex') }
}

/** No text equals bytes: these are a list. */
function writable(cell: CopiedCell): unknown {
  if (!(cell instanceof Uint8Array)) return cell
  return [Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength).toString('base64')]
}
