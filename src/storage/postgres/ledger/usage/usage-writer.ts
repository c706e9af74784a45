import type { UsageSubject } from '../../../../ledger/query/usage.ts'
import {
  type CountCells,
  cellsOf,
  otherName,
  rowsOfKeyMax,
  sumOfCells,
  type UsageGroupCounts,
  type UsageWidth,
} from '../../../ledger/usage-cells.ts'
import type { Query } from '../../postgres.ts'
import { bytesOf, cellsOfRow, type StoredUsage, usageColumns } from './usage-rows.ts'

/** Adds usage to what is stored of one width, within a transaction of the caller's. */
export interface UsageWriter {
  /** Groups whose `at` is when an hour begins. */
  readonly write: (groups: readonly UsageGroupCounts[]) => Promise<void>
}

/** Rows that one statement reads or writes. */
const rowsAtOnce = 512

/** A row, by what it is of: its place in the table's key. */
interface Row {
  readonly bucket: number
  readonly keyId: string
  readonly owner: string
  readonly route: string
  readonly model: string
}

export function createUsageWriter(query: Query, schema: string, width: UsageWidth): UsageWriter {
  const ofKey = createKeyBounds(query, schema, width)

  async function writeSome(some: ReadonlyMap<string, readonly [row: Row, cells: CountCells]>): Promise<void> {
    const rows = [...some.values()]
    const stored = await readRows(
      query,
      schema,
      width,
      rows.map(([row]) => row),
    )
    const sums = rows.map(([row, cells]) => {
      const before = stored.get(nameOf(row))
      return [row, before === undefined ? cells : sumOfCells(before, cells)] as const
    })
    await putRows(query, schema, width, sums)
  }

  return {
    async write(groups) {
      for (let at = 0; at < groups.length; at += rowsAtOnce) {
        const some = groups.slice(at, at + rowsAtOnce).map(({ subject, counts }) => ({
          row: rowOf(subject, width),
          cells: cellsOf(counts),
        }))
        const bound = await ofKey(some.map(({ row }) => row))
        const joined = new Map<string, readonly [Row, CountCells]>()
        for (const { row: asked, cells } of some) {
          const row = bound(asked)
          const name = nameOf(row)
          const before = joined.get(name)?.[1]
          joined.set(name, [row, before === undefined ? cells : sumOfCells(before, cells)])
        }
        await writeSome(joined)
      }
    },
  }
}

function rowOf({ at, keyId, owner, route, model }: UsageSubject, width: UsageWidth): Row {
  return {
    bucket: at - (at % width),
    keyId: keyId ?? '',
    owner: owner ?? '',
    route: route ?? '',
    model: model ?? '',
  }
}

const nameOf = ({ bucket, keyId, owner, route, model }: Row): string =>
  JSON.stringify([bucket, keyId, owner, route, model])

const hexOf = (text: string): string => bytesOf(text).toString('hex')

/** The columns of rows as arrays, the texts in hexadecimal digits. */
function columnsOf(rows: readonly Row[]): readonly unknown[] {
  return [
    rows.map(({ bucket }) => bucket),
    rows.map(({ keyId }) => hexOf(keyId)),
    rows.map(({ owner }) => hexOf(owner)),
    rows.map(({ route }) => hexOf(route)),
    rows.map(({ model }) => hexOf(model)),
  ]
}

const wanted = `(SELECT bucket, decode(k, 'hex') AS key_id, decode(o, 'hex') AS owner, decode(r, 'hex') AS route,
  decode(m, 'hex') AS model, n FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
  WITH ORDINALITY AS wanted (bucket, k, o, r, m, n))`

/** What is stored of rows, by their name. */
async function readRows(
  query: Query,
  schema: string,
  width: UsageWidth,
  rows: readonly Row[],
): Promise<ReadonlyMap<string, CountCells>> {
  const found = await query<StoredUsage>(
    `SELECT ${usageColumns} FROM ${schema}.usage JOIN ${wanted} w USING (bucket, key_id, owner, route, model)
     WHERE width = $1`,
    [width, ...columnsOf(rows)],
  )
  return new Map(
    found.map((row) => {
      const [keyId, owner, route, model] = [row.key_id, row.owner, row.route, row.model].map(String)
      const name = nameOf({
        bucket: row.bucket,
        keyId: keyId ?? '',
        owner: owner ?? '',
        route: route ?? '',
        model: model ?? '',
      })
      return [name, cellsOfRow(row)] as const
    }),
  )
}

async function putRows(
  query: Query,
  schema: string,
  width: UsageWidth,
  rows: readonly (readonly [row: Row, cells: CountCells])[],
): Promise<void> {
  const cells = [0, 1, 2, 3, 4, 5, 6].map((column) => rows.map(([, own]) => own[column]))
  const sums = ['requests', 'admitted', 'operational', 'last_used_at', 'refused', 'measures', 'latencies']
  await query(
    `INSERT INTO ${schema}.usage (width, bucket, key_id, owner, route, model, ${sums.join(', ')})
     SELECT $1, w.bucket, w.key_id, w.owner, w.route, w.model, ${sums.map((name) => `c.${name}`).join(', ')}
     FROM ${wanted} w JOIN unnest(
       $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[]
     ) WITH ORDINALITY AS c (${sums.join(', ')}, n) USING (n)
     ON CONFLICT (width, bucket, key_id, owner, route, model) DO UPDATE
       SET ${sums.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    [width, ...columnsOf(rows.map(([row]) => row)), ...cells],
  )
}

/**
 * Gives each row of a key its place among the first of its hour or day, and `other` as its route
 * and model behind them: with the number of keys, rows have a bound.
 */
function createKeyBounds(
  query: Query,
  schema: string,
  width: UsageWidth,
): (rows: readonly Row[]) => Promise<(row: Row) => Row> {
  return async (rows) => {
    const stored = new Set((await readRows(query, schema, width, rows)).keys())
    const counts = await countRows(query, schema, width, rows)
    return (row) => {
      const key = keyOf(row)
      if (stored.has(nameOf(row))) return row
      const count = counts.get(key) ?? 0
      if (count >= rowsOfKeyMax) return { ...row, route: otherName, model: otherName }
      counts.set(key, count + 1)
      stored.add(nameOf(row))
      return row
    }
  }
}

const keyOf = ({ bucket, keyId }: Pick<Row, 'bucket' | 'keyId'>): string => `${bucket} ${keyId}`

/** How many rows the keys have, each in its hour or day. */
async function countRows(
  query: Query,
  schema: string,
  width: UsageWidth,
  rows: readonly Row[],
): Promise<Map<string, number>> {
  const keys = new Map(rows.map((row) => [keyOf(row), row]))
  const found = await query<{ bucket: number; key_id: Buffer; count: number }>(
    `SELECT bucket, key_id, count(*) AS count FROM ${schema}.usage
     JOIN (SELECT bucket, decode(k, 'hex') AS key_id FROM unnest($2::bigint[], $3::text[]) AS u (bucket, k)) w
       USING (bucket, key_id)
     WHERE width = $1 GROUP BY bucket, key_id`,
    [
      width,
      [...keys.values()].map(({ bucket }) => bucket),
      [...keys.values()].map(({ keyId }) => hexOf(keyId)),
    ],
  )
  return new Map(
    found.map(({ bucket, key_id, count }) => [keyOf({ bucket, keyId: key_id.toString() }), count] as const),
  )
}
