import { SetupError } from '../../../core/setup-error.ts'
import { bufferOf, lastFrameOf } from '../../../ledger/format/block.ts'
import { ledgerEvents } from '../../../ledger/format/event.ts'
import { parseTruncationPoint } from '../../../ledger/verify/checkpoint-trust.ts'
import type { CopiedRow } from '../../copy/copied-tables.ts'
import type { SqliteDatabase, SqlValue } from '../database.ts'
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
  const headOf = createHeadFinder(database, file)
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
    block: createPages<[number, number, number, number, number, number, Uint8Array]>(database, {
      columns: ['id', 'stream', 'first_seq', 'count', 'min_at', 'max_at', 'body'],
      ...{ keyColumns: 1, from: 'block', rowsAtOnce: 64 },
    }),
    base: createPages<[number, string]>(database, {
      ...{ columns: ['stream', 'checkpoint'], keyColumns: 1, from: 'base', rowsAtOnce: 500 },
    }),
    *recorded_change() {
      yield [1, getLatestChange(database, file)]
    },
  }
}

interface Head {
  readonly writtenAt: number | undefined
  readonly seq: number
  readonly link: Uint8Array
  readonly isClosed: boolean
}

function createHeadFinder(database: SqliteDatabase, file: string): (stream: number) => Head | undefined {
  const findLast = database.prepare<{ first_seq: number; count: number; max_at: number; body: Uint8Array }>(
    'SELECT first_seq, count, max_at, body FROM block WHERE stream = ? ORDER BY id DESC LIMIT 1',
  )
  const findBase = database.prepare<{ checkpoint: string }>('SELECT checkpoint FROM base WHERE stream = ?')
  return (stream) => {
    const last = findLast.get(stream)
    if (last !== undefined) {
      const body = bufferOf(last.body)
      const { start, end, next } = lastFrameOf(body)
      return {
        ...{ writtenAt: last.max_at, seq: last.first_seq + last.count - 1 },
        link: body.subarray(end, next),
        isClosed: body[start + 1] === ledgerEvents['ledger.closed'],
      }
    }
    const base = findBase.get(stream)?.checkpoint
    if (base === undefined) return undefined
    // Retention dropped all of it: its last record was the one that the base is signed for.
    const point = parseTruncationPoint(JSON.parse(base))
    if (point === undefined)
      throw new SetupError(
        'data_corrupt',
        `${file}: the base of stream ${stream} is damaged; restore a backup`,
      )
    return { writtenAt: undefined, seq: point.seq, link: Buffer.from(point.hash, 'hex'), isClosed: true }
  }
}

/**
 * The sums of usage, with those of records that were dropped. Where they are of another ledger,
 * nodes sum up what there is.
 */
export function usageRows(usage: SqliteDatabase, ledger: SqliteDatabase): RowReaders {
  const filled = readFilled(usage)
  if (!isOf(ledger, filled)) return {}
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
      yield [1, filled.block]
    },
  }
}

const bytesOf = (text: SqlValue): Uint8Array => Buffer.from(String(text))

function textOf(bytes: SqlValue): string {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : String(bytes)
}
