import { bufferOf, lastFrameOf } from '../../../ledger/format/block.ts'
import { chainHashBytes } from '../../../ledger/format/chain.ts'
import { ledgerEvents } from '../../../ledger/format/event.ts'
import { parseTruncationPoint } from '../../../ledger/verify/checkpoint-trust.ts'
import type { CopiedRow } from '../../copy/copied-tables.ts'
import type { SourceHistory } from '../../copy/copy-source.ts'
import { readValue, type SqliteDatabase, type SqlValue } from '../database.ts'
import { getLatestChange } from '../ledger/latest-change.ts'
import { isOf } from '../ledger/usage/fill-usage.ts'
import { readFilled } from '../ledger/usage/usage-database.ts'
import { createPages } from './page-rows.ts'
import type { RowReaders } from './row-readers.ts'

/**
 * The history of the ledger: blocks as they are, ids and bytes; the heads of their streams, which a
 * fleet keeps in rows. @param file for messages
 */
export function ledgerRows(database: SqliteDatabase, file: string): RowReaders {
  const streams = createPages<[number, string, number]>(database, {
    ...{ columns: ['number', 'id', 'opened_at'], keyColumns: 1, from: 'stream', rowsAtOnce: 100 },
  })
  const headOf = createHeadFinder(database)
  return {
    *stream(after) {
      for (const [number, id, openedAt] of streams(after)) {
        const head = headOf(number)
        // Its process was killed before the first record.
        if (head === undefined) continue
        const { writtenAt = openedAt, seq, link, isClosed } = head
        yield [number, id, '', openedAt, writtenAt, seq, link, isClosed]
      }
    },
    block: createPages<BlockCells>(database, {
      ...{ columns: blockColumns, keyColumns: 1, from: 'block', rowsAtOnce: blocksAtOnce },
    }),
    base: createPages<[number, string]>(database, {
      ...{ columns: ['stream', 'checkpoint'], keyColumns: 1, from: 'base', rowsAtOnce: 500 },
    }),
    *recorded_change() {
      yield [1, getLatestChange(database, file)]
    },
  }
}

/** Blocks that are read at once, and bytes of their bodies, but for the last. */
const blocksAtOnce = 64
const bytesAtOnce = 1_048_576

/** @param filled up to which block sums of usage count */
export function ledgerHistory(database: SqliteDatabase, filled: number): SourceHistory {
  const below = database.prepareCells<BlockCells>(
    `SELECT ${blockColumns.join(', ')} FROM block WHERE id < ? ORDER BY id DESC LIMIT 1`,
  )
  const measure = database.prepareCells<[number, number]>(
    'SELECT count(*), coalesce(max(max_at), 0) FROM block WHERE id < ?',
  )
  return {
    newest: () => Number(readValue(database, 'SELECT max(id) FROM block') ?? 0),
    summedUp: () => filled,
    measureBelow(front) {
      const [blocks = 0, latestAt = 0] = measure.get(front) ?? []
      return { blocks, latestAt }
    },
    pageBelow(front) {
      const page: BlockCells[] = []
      let bytes = 0
      let next = below.get(front)
      while (next !== undefined) {
        page.push(next)
        bytes += next[6].byteLength
        if (page.length === blocksAtOnce || bytes >= bytesAtOnce) break
        next = below.get(next[0])
      }
      return page
    },
  }
}

type BlockCells = [number, number, number, number, number, number, Uint8Array]

const blockColumns = ['id', 'stream', 'first_seq', 'count', 'min_at', 'max_at', 'body']

interface Head {
  readonly writtenAt: number | undefined
  readonly seq: number
  readonly link: Uint8Array
  readonly isClosed: boolean
}

/**
 * The last link of a block, and whether it ends its stream. Of a damaged block, which is copied
 * byte by byte, its last bytes: verification finds the block before it comes to the stream.
 */
function endOf(body: Buffer): Pick<Head, 'link' | 'isClosed'> {
  try {
    const { start, end, next } = lastFrameOf(body)
    return { link: body.subarray(end, next), isClosed: body[start + 1] === ledgerEvents['ledger.closed'] }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { link: body.subarray(-chainHashBytes), isClosed: false }
  }
}

function pointOf(base: string): ReturnType<typeof parseTruncationPoint> {
  try {
    return parseTruncationPoint(JSON.parse(base))
  } catch {
    return undefined
  }
}

function createHeadFinder(database: SqliteDatabase): (stream: number) => Head | undefined {
  const findLast = database.prepare<{ first_seq: number; count: number; max_at: number; body: Uint8Array }>(
    'SELECT first_seq, count, max_at, body FROM block WHERE stream = ? ORDER BY id DESC LIMIT 1',
  )
  const findBase = database.prepare<{ checkpoint: string }>('SELECT checkpoint FROM base WHERE stream = ?')
  return (stream) => {
    const last = findLast.get(stream)
    if (last !== undefined)
      return {
        ...{ writtenAt: last.max_at, seq: last.first_seq + last.count - 1 },
        ...endOf(bufferOf(last.body)),
      }
    const base = findBase.get(stream)?.checkpoint
    if (base === undefined) return undefined
    // Retention dropped all of it: its last record was the one that the base is signed for. A base
    // that states nothing is copied as it is: verification finds it before it comes to the stream.
    const { seq = 0, hash = '' } = pointOf(base) ?? {}
    return { writtenAt: undefined, seq, link: Buffer.from(hash, 'hex'), isClosed: true }
  }
}

/**
 * The sums of usage, with those of records that were dropped, and up to which block they count.
 * Where they are of another ledger, nodes sum up what there is.
 */
export function usageRows(
  usage: SqliteDatabase,
  ledger: SqliteDatabase,
): { readonly rows: RowReaders; readonly filled: number } {
  const filled = readFilled(usage)
  if (!isOf(ledger, filled)) return { rows: {}, filled: 0 }
  return { rows: readersOfUsage(usage, filled.block), filled: filled.block }
}

function readersOfUsage(usage: SqliteDatabase, filled: number): RowReaders {
  const texts = ['key_id', 'owner', 'route', 'model'] as const
  const rows = createPages<readonly SqlValue[]>(usage, {
    columns: [
      ...['width', 'bucket', ...texts],
      ...['requests', 'admitted', 'operational', 'last_used_at', 'refused', 'measures', 'latencies'],
    ],
    ...{ keyColumns: 6, from: 'usage', rowsAtOnce: 500 },
  })
  const names = createPages<[string, string]>(usage, {
    ...{ columns: ['kind', 'text'], keyColumns: 2, from: 'name', rowsAtOnce: 500 },
  })
  return {
    *usage(after) {
      const from = after && [...after.slice(0, 2), ...after.slice(2, 6).map(textOf)]
      for (const row of rows(from))
        yield [...row.slice(0, 2), ...row.slice(2, 6).map(bytesOf), ...row.slice(6)] satisfies CopiedRow
    },
    usage_bucket: createPages<[number, number, number, number]>(usage, {
      columns: ['width', 'bucket', 'first_block', 'last_block'],
      ...{ keyColumns: 2, from: 'bucket', rowsAtOnce: 500 },
    }),
    *usage_name(after) {
      for (const [kind, text] of names(after && [after[0] ?? '', textOf(after[1] ?? null)]))
        yield [kind, bytesOf(text)]
    },
    *usage_filled() {
      yield [1, filled]
    },
  }
}

const bytesOf = (text: SqlValue): Uint8Array => Buffer.from(String(text))

function textOf(bytes: SqlValue): string {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : String(bytes)
}
