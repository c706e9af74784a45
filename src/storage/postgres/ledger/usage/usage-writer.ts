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
import { bytesIn, writeBytesList } from '../bytes-list.ts'
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
  return {
    async write(groups) {
      for (let at = 0; at < groups.length; at += rowsAtOnce) {
        const some = groups.slice(at, at + rowsAtOnce).map(({ subject, counts }) => ({
          row: rowOf(subject, width),
          cells: cellsOf(counts),
        }))
        const asked = some.map(({ row }) => row)
        const stored = await readRows(query, schema, width, asked)
        const added = asked.filter((row) => !stored.has(nameOf(row)))
        const bound = boundKeys(stored, await countRows(query, schema, width, added))
        const joined = new Map<string, readonly [Row, CountCells]>()
        for (const { row, cells } of some) {
          const bounded = bound(row)
          const name = nameOf(bounded)
          const before = joined.get(name)?.[1]
          joined.set(name, [bounded, before === undefined ? cells : sumOfCells(before, cells)])
        }
        await addTo(stored, asked, joined)
      }
    },
  }

  /** Adds to what is stored, of which all is known but rows that stand in the place of others. */
  async function addTo(
    stored: ReadonlyMap<string, CountCells>,
    asked: readonly Row[],
    added: ReadonlyMap<string, readonly [row: Row, cells: CountCells]>,
  ): Promise<void> {
    const names = new Set(asked.map(nameOf))
    const others = [...added].flatMap(([name, [row]]) => (names.has(name) ? [] : [row]))
    const known =
      others.length > 0 ? new Map([...stored, ...(await readRows(query, schema, width, others))]) : stored
    const sums = [...added].map(([name, [row, cells]]) => {
      const before = known.get(name)
      return [row, before === undefined ? cells : sumOfCells(before, cells)] as const
    })
    await putRows(query, schema, width, sums)
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

const listOf = (texts: readonly string[]): string => writeBytesList(texts.map(bytesOf))

/** The columns of rows, as `wanted` takes them. */
function columnsOf(rows: readonly Row[]): readonly unknown[] {
  return [
    rows.map(({ bucket }) => bucket),
    listOf(rows.map(({ keyId }) => keyId)),
    listOf(rows.map(({ owner }) => owner)),
    listOf(rows.map(({ route }) => route)),
    listOf(rows.map(({ model }) => model)),
  ]
}

const wanted = `unnest($2::bigint[], ${bytesIn(3)}, ${bytesIn(4)}, ${bytesIn(5)}, ${bytesIn(6)})
  WITH ORDINALITY AS w (bucket, key_id, owner, route, model, n)`

/** What is stored of rows, by their name. */
async function readRows(
  query: Query,
  schema: string,
  width: UsageWidth,
  rows: readonly Row[],
): Promise<ReadonlyMap<string, CountCells>> {
  // Row by row: a join reads the whole table for each few of its rows.
  const found = await query<StoredUsage>(
    `SELECT u.* FROM ${wanted} CROSS JOIN LATERAL (
       SELECT ${usageColumns} FROM ${schema}.usage WHERE width = $1 AND bucket = w.bucket AND key_id = w.key_id
         AND owner = w.owner AND route = w.route AND model = w.model OFFSET 0
     ) u`,
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
     FROM ${wanted} JOIN unnest(
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
function boundKeys(stored: ReadonlyMap<string, unknown>, counts: Map<string, number>): (row: Row) => Row {
  const names = new Set(stored.keys())
  return (row) => {
    const key = keyOf(row)
    if (names.has(nameOf(row))) return row
    const count = counts.get(key) ?? 0
    if (count >= rowsOfKeyMax) return { ...row, route: otherName, model: otherName }
    counts.set(key, count + 1)
    names.add(nameOf(row))
    return row
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
  if (rows.length === 0) return new Map()
  const keys = new Map(rows.map((row) => [keyOf(row), row]))
  const found = await query<{ bucket: number; key_id: Buffer; count: number }>(
    `SELECT w.bucket, w.key_id, c.count
     FROM unnest($2::bigint[], ${bytesIn(3)}) AS w (bucket, key_id) CROSS JOIN LATERAL (
       SELECT count(*) AS count FROM ${schema}.usage
       WHERE width = $1 AND bucket = w.bucket AND key_id = w.key_id OFFSET 0
     ) c`,
    [
      width,
      [...keys.values()].map(({ bucket }) => bucket),
      listOf([...keys.values()].map(({ keyId }) => keyId)),
    ],
  )
  return new Map(
    found.map(({ bucket, key_id, count }) => [keyOf({ bucket, keyId: key_id.toString() }), count] as const),
  )
}
