import type { UsageGroup, UsageQuery } from '../../../../ledger/ledger.ts'
import type { UsageSubject } from '../../../../ledger/query/usage.ts'
import type { UsageCounts } from '../../../../ledger/query/usage-counts.ts'
import {
  addCells,
  type CountCells,
  cellsOf,
  otherName as other,
  rowsOfKeyMax,
  sumOfCells,
  type UsageGroupCounts,
  type UsageWidth,
  usageWidths,
} from '../../../ledger/usage-cells.ts'
import { createUsageNames } from '../../../ledger/usage-names.ts'
import type { SqliteDatabase } from '../../database.ts'

export type RowCells = readonly [
  keyId: string,
  owner: string,
  route: string,
  model: string,
  ...counts: CountCells,
]

export const countColumns = 'requests, admitted, operational, last_used_at, refused, measures, latencies'

/** Adds to what is stored of the hour and its day, within a transaction of the caller's. */
export function createUsageWriter(usage: SqliteDatabase): (group: UsageGroupCounts) => void {
  const find = usage.prepareCells<CountCells>(
    `SELECT ${countColumns} FROM usage
     WHERE width = ? AND bucket = ? AND key_id = ? AND owner = ? AND route = ? AND model = ?`,
  )
  const put = usage.prepare(
    `INSERT OR REPLACE INTO usage (width, bucket, key_id, owner, route, model, ${countColumns})
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const countOfKey = usage.prepareCells<readonly [number]>(
    'SELECT count(*) FROM usage WHERE width = ? AND bucket = ? AND key_id = ?',
  )
  const boundRoute = createNameBound(usage, 'route')
  const boundModel = createNameBound(usage, 'model')

  function add(width: UsageWidth, { at, keyId, owner, route, model }: UsageSubject, cells: CountCells): void {
    const key = [width, at - (at % width), keyId ?? ''] as const
    let name = [owner ?? '', boundRoute(route ?? ''), boundModel(model ?? '')] as const
    let stored = find.get(...key, ...name)
    if (stored === undefined && (countOfKey.get(...key)?.[0] ?? 0) >= rowsOfKeyMax) {
      name = [name[0], other, other]
      stored = find.get(...key, ...name)
    }
    put.run(...key, ...name, ...(stored === undefined ? cells : sumOfCells(stored, cells)))
  }

  return ({ subject, counts }) => {
    const cells = cellsOf(counts)
    for (const width of usageWidths) add(width, subject, cells)
  }
}

/** Gives each text its place among the first of its kind, and `other` to those behind them. */
function createNameBound(usage: SqliteDatabase, kind: 'route' | 'model'): (text: string) => string {
  const found = usage.prepareCells<readonly [string]>('SELECT text FROM name WHERE kind = ?').all(kind)
  const learn = usage.prepare('INSERT INTO name VALUES (?, ?)')
  return createUsageNames(
    found.map(([text]) => text),
    (text) => learn.run(kind, text),
  )
}

/** Rows added up: a row costs more to read than to add. Texts may be joined as they are. */
const summedColumns = `
  total(requests), total(admitted), total(operational), max(last_used_at),
  coalesce(group_concat(nullif(refused, ''), ','), ''),
  coalesce(group_concat(nullif(measures, ''), ','), ''),
  group_concat(latencies, ' ')`

/** Adds what is stored of buckets that begin within the query's span. */
export function addUsage(
  usage: SqliteDatabase,
  width: UsageWidth,
  { by, since, until, keyId, owner }: UsageQuery & { readonly since: number; readonly until: number },
  countsOf: (subject: UsageSubject) => UsageCounts,
): void {
  const isBy = (group: UsageGroup): boolean => by.includes(group)
  const texts = [
    isBy('key') ? 'key_id' : "''",
    isBy('owner') ? 'owner' : "''",
    isBy('route') ? 'route' : "''",
    isBy('model') ? 'model' : "''",
  ]
  const from = (buckets: string): string =>
    `SELECT ${texts.join(', ')}, ${summedColumns} FROM usage WHERE width = ? AND ${buckets}
     ${keyId === undefined ? '' : 'AND key_id = ?'} ${owner === undefined ? '' : 'AND owner = ?'}
     GROUP BY 1, 2, 3, 4`
  const wanted = [keyId, owner].filter((text) => text !== undefined)
  const add = (at: number, rows: readonly RowCells[]): void => {
    for (const [ofKey, ofOwner, route, model, ...cells] of rows) {
      const subject = {
        at,
        keyId: ofKey || null,
        owner: ofOwner || null,
        route: route || null,
        model: model || null,
      }
      addCells(countsOf(subject), cells)
    }
  }
  // At once only what is joined of one key each: texts of all keys have their bound in a bucket.
  if (isBy('key') && !isBy('day') && !isBy('month') && keyId === undefined) {
    const select = usage.prepareCells<RowCells>(from('bucket >= ? AND bucket < ?'))
    add(since, select.all(width, since, until, ...wanted))
    return
  }
  // Bucket by bucket: so a key's rows are found without an index of their own.
  const buckets = usage.prepareCells<readonly [number]>(
    'SELECT bucket FROM bucket WHERE width = ? AND bucket >= ? AND bucket < ?',
  )
  const select = usage.prepareCells<RowCells>(from('bucket = ?'))
  for (const [at] of buckets.all(width, since, until)) add(at, select.all(width, at, ...wanted))
}

/**
 * Removes the oldest hour and the oldest day that are over before a moment and have no record any
 * more, if there are any: rows are kept longer than the records, but not for ever.
 *
 * @param oldest the ledger's oldest block: behind a clock that was set back are later records of
 *   earlier hours
 */
export function dropOldUsage(usage: SqliteDatabase, before: number, oldest: number): void {
  const find = usage.prepareCells<readonly [number | null]>(
    'SELECT min(bucket) FROM bucket WHERE width = ? AND bucket <= ? AND last_block < ?',
  )
  for (const width of usageWidths) {
    const [bucket = null] = find.get(width, before - width, oldest) ?? []
    if (bucket === null) continue
    for (const table of ['usage', 'bucket'])
      usage.prepare(`DELETE FROM ${table} WHERE width = ? AND bucket = ?`).run(width, bucket)
  }
}
