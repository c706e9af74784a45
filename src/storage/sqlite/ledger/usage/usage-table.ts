import type { UsageGroup, UsageQuery } from '../../../../ledger/ledger.ts'
import type { UsageSubject } from '../../../../ledger/query/usage.ts'
import {
  addMeasure,
  addRefused,
  createUsageCounts,
  type UsageCounts,
} from '../../../../ledger/query/usage-counts.ts'
import type { SqliteDatabase } from '../../database.ts'

/** Usage is kept by hour and by day (milliseconds), so that a sum of months reads few rows. */
export const usageWidths = [3_600_000, 86_400_000] as const
export type UsageWidth = (typeof usageWidths)[number]

/** Routes and models beyond so many are counted as `other`: apps make them of what callers send. */
const namesMax = 500
/**
 * And all routes and models of a key, in an hour or a day, beyond so many rows. A key has one
 * owner, unless an administrator changes it: with the number of keys, rows have a bound.
 */
export const rowsOfKeyMax = 1_000
const other = 'other'

/** Usage of one subject in one hour. */
export interface UsageGroupCounts {
  /** `at` is when the hour begins. */
  readonly subject: UsageSubject
  readonly counts: UsageCounts
}

/** Usage of a row as it is stored. */
export type CountCells = readonly [
  requests: number,
  admitted: number,
  operational: number,
  lastUsedAt: number,
  refused: string,
  measures: string,
  latencies: string,
]
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
    put.run(...key, ...name, ...(stored === undefined ? cells : sumOf(stored, cells)))
  }

  return ({ subject, counts }) => {
    const cells = cellsOf(counts)
    for (const width of usageWidths) add(width, subject, cells)
  }
}

function sumOf(one: CountCells, other: CountCells): CountCells {
  const sum = createUsageCounts()
  addCells(sum, one)
  addCells(sum, other)
  return cellsOf(sum)
}

/** Gives each text its place among the first of its kind, and `other` to those behind them. */
function createNameBound(usage: SqliteDatabase, kind: 'route' | 'model'): (text: string) => string {
  const found = usage.prepareCells<readonly [string]>('SELECT text FROM name WHERE kind = ?').all(kind)
  const known = new Set(['', ...found.map(([text]) => text)])
  const learn = usage.prepare('INSERT INTO name VALUES (?, ?)')
  return (text) => {
    if (known.has(text)) return text
    if (known.size > namesMax) return other
    learn.run(kind, text)
    known.add(text)
    return text
  }
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

/** A forged record may count for more than an integer of SQLite's that can be read again. */
const countOf = (value: number): number => Math.min(value, Number.MAX_SAFE_INTEGER)

export function cellsOf(counts: UsageCounts): CountCells {
  return [
    countOf(counts.requests),
    countOf(counts.admitted),
    countOf(counts.operational),
    counts.lastUsedAt,
    textOf(counts.refused),
    textOf(counts.measures),
    counts.latenciesUs.encode(),
  ]
}

export function addCells(counts: UsageCounts, cells: CountCells): void {
  const [requests, admitted, operational, lastUsedAt, refused, measures, latencies] = cells
  counts.requests += requests
  counts.admitted += admitted
  counts.operational += operational
  counts.lastUsedAt = Math.max(counts.lastUsedAt, lastUsedAt)
  for (const [code, count] of pairsOf(refused)) addRefused(counts, code, count)
  for (const [name, amount] of pairsOf(measures)) addMeasure(counts, name, amount)
  counts.latenciesUs.addEncoded(latencies)
}

/** Pairs as JSON, without the brackets around them. */
function textOf(sums: ReadonlyMap<string, number>): string {
  return JSON.stringify([...sums]).slice(1, -1)
}

export function pairsOf(text: string): readonly (readonly [name: string, amount: number])[] {
  return text === '' ? [] : JSON.parse(`[${text}]`)
}
