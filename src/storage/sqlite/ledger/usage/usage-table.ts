import type { UsageQuery } from '../../../../ledger/ledger.ts'
import type { UsageSubject } from '../../../../ledger/query/usage.ts'
import { addCounts, createUsageCounts, type UsageCounts } from '../../../../ledger/query/usage-counts.ts'
import { readValue, type SqliteDatabase, type SqlValue } from '../../database.ts'

/** Usage is kept by hour and by day (milliseconds), so that a sum of months reads few rows. */
export const usageWidths = [3_600_000, 86_400_000] as const
export type UsageWidth = (typeof usageWidths)[number]

/** Routes and models beyond so many are counted as `other`: apps make them of what callers send. */
const namesMax = 500
/**
 * And all routes and models of a key, in an hour or a day, beyond so many rows. A key has one
 * owner, unless an administrator changes it: with the number of keys, rows have a bound.
 */
const rowsOfKeyMax = 1_000
const other = 'other'

/** Usage of one subject in one bucket. */
export interface UsageGroupCounts {
  readonly width: UsageWidth
  /** `at` is when the bucket begins. */
  readonly subject: UsageSubject
  readonly counts: UsageCounts
}

type CountCells = readonly [
  requests: number,
  admitted: number,
  operational: number,
  lastUsedAt: number,
  refused: string,
  measures: string,
  latencies: Uint8Array,
]
type RowCells = readonly [
  bucket: number,
  keyId: string,
  owner: string,
  route: string,
  model: string,
  ...counts: CountCells,
]

const countColumns = 'requests, admitted, operational, last_used_at, refused, measures, latencies'

/** Adds to what is stored, within a transaction of the caller's. */
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

  return ({ width, subject, counts }) => {
    const key = [width, subject.at, subject.keyId ?? ''] as const
    const owner = subject.owner ?? ''
    let name = [boundRoute(subject.route ?? ''), boundModel(subject.model ?? '')] as const
    let stored = find.get(...key, owner, ...name)
    if (stored === undefined && (countOfKey.get(...key)?.[0] ?? 0) >= rowsOfKeyMax) {
      name = [other, other]
      stored = find.get(...key, owner, ...name)
    }
    let sum = counts
    if (stored !== undefined) {
      sum = countsOf(stored)
      addCounts(sum, counts)
    }
    put.run(...key, owner, ...name, ...cellsOf(sum))
  }
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

type UsageSpan = Pick<UsageQuery, 'keyId' | 'owner'> & { readonly since: number; readonly until: number }

/** What is stored of buckets that begin from `since` on and before `until`. */
export function* readUsage(
  usage: SqliteDatabase,
  width: UsageWidth,
  { since, until, keyId, owner }: UsageSpan,
): Iterable<UsageGroupCounts> {
  const wanted: SqlValue[] = [width, since, until]
  let sql = `SELECT usage.bucket, key_id, owner, route, model, ${countColumns}
    FROM bucket CROSS JOIN usage ON usage.width = bucket.width AND usage.bucket = bucket.bucket
    WHERE bucket.width = ? AND bucket.bucket >= ? AND bucket.bucket < ?`
  // Bucket by bucket: so a key's rows are found without an index of their own.
  for (const [column, value] of [['key_id', keyId] as const, ['owner', owner] as const]) {
    if (value === undefined) continue
    sql += ` AND ${column} = ?`
    wanted.push(value)
  }
  for (const row of usage.prepareCells<RowCells>(sql).all(...wanted)) {
    const [at, ofKey, ofOwner, route, model, ...cells] = row
    const subject = {
      at,
      keyId: ofKey || null,
      owner: ofOwner || null,
      route: route || null,
      model: model || null,
    }
    yield { width, subject, counts: countsOf(cells) }
  }
}

/**
 * Removes the oldest hour and the oldest day that are over before a moment, if there are any: rows
 * are kept longer than the records, but not for ever.
 */
export function dropOldUsage(usage: SqliteDatabase, before: number): void {
  for (const width of usageWidths) {
    const oldest = readValue(usage, `SELECT min(bucket) FROM bucket WHERE width = ${width}`)
    if (typeof oldest !== 'number' || oldest + width > before) continue
    for (const table of ['usage', 'bucket'])
      usage.prepare(`DELETE FROM ${table} WHERE width = ? AND bucket = ?`).run(width, oldest)
  }
}

/** A forged record may count for more than an integer of SQLite's that can be read again. */
const countOf = (value: number): number => Math.min(value, Number.MAX_SAFE_INTEGER)

function cellsOf(counts: UsageCounts): CountCells {
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

function countsOf(cells: CountCells): UsageCounts {
  const [requests, admitted, operational, lastUsedAt, refused, measures, latencies] = cells
  const sums = { refused: mapOf(refused), measures: mapOf(measures) }
  const counts = { ...createUsageCounts(), requests, admitted, operational, lastUsedAt, ...sums }
  counts.latenciesUs.addEncoded(latencies)
  return counts
}

function textOf(sums: ReadonlyMap<string, number>): string {
  return sums.size === 0 ? '' : JSON.stringify([...sums])
}

function mapOf(text: string): Map<string, number> {
  return text === '' ? new Map() : new Map(JSON.parse(text) as [string, number][])
}
