import type { KeyRecord } from '../../../keys/record/key-record.ts'
import type { KeyCursor } from '../../../keys/store/cursors.ts'
import type { KeyPage, KeyQuery } from '../../../keys/store/key-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import {
  type KeyDialect,
  mayMatchFew,
  type Place,
  type Selection,
  type Walk,
  walksOf,
} from '../../keys/key-query.ts'
import { decodeKey } from '../../keys/key-row.ts'
import { namingDamaged } from '../../keys/sort-out-rows.ts'
import type { Query } from '../postgres.ts'
import { isStorable, placeAmongStorable, toStorableNumber } from '../storable-text.ts'
import { cellsOf, type KeyRow } from './key-lookups.ts'
import { readBelieved } from './read-believed.ts'

/** Keys that one statement reads at most, so that it ends in its time whatever a filter matches. */
const sliceLength = 5_000
/** An owner's keys up to so many are found by their index, then sorted. */
const sortedMax = 20_000

/**
 * Lists keys. Each slice sees one moment; a key that changes meanwhile may move, as between two
 * pages.
 */
export async function listKeys(
  query: Query,
  schema: string,
  rows: BelievedRows,
  asked: KeyQuery,
): Promise<KeyPage> {
  if (!mayMatch(asked)) return { keys: [], hasMore: false }
  const found: KeyRecord[] = []
  const damaged: string[] = []
  const isSliced = mayMatchFew(asked) || (await hasManyKeys(query, schema, asked.owner))
  // One more than the limit tells whether another page follows.
  const wanted = asked.limit + 1
  for (const walk of walksOf(storable(asked), dialectOf(schema))) {
    let start = walk.start
    do {
      const end: Place | undefined = isSliced ? await findEnd(query, walk, start) : undefined
      const read = await readBelieved(
        wanted - found.length,
        (limit) => selectRows(query, walk.selectKeys(start, end), limit),
        (row) => decodeKey(rows, cellsOf(row)),
        (row) => String(row['id']),
      )
      found.push(...read.records)
      damaged.push(...read.damaged)
      if (found.length === wanted)
        return { keys: found.slice(0, asked.limit), hasMore: true, ...namingDamaged(damaged) }
      start = end
    } while (start !== undefined)
  }
  return { keys: found, hasMore: false, ...namingDamaged(damaged) }
}

function dialectOf(schema: string): KeyDialect {
  return {
    keys: `${schema}.keys`,
    // A scope has no character that JSON writes in another way, and no comma.
    hasScope: (scope) => ({ sql: 'strpos(scopes, ?) > 0', values: [JSON.stringify(scope)] }),
    // Under "C" lower() folds ASCII alone.
    nameContains: (part) => ({
      sql: 'strpos(lower(name), lower(CAST(? AS text) COLLATE "C")) > 0',
      values: [part],
    }),
  }
}

function mayMatch({ owner, scope, nameContains }: KeyQuery): boolean {
  return isStorable(owner, scope, nameContains)
}

/** The same query, of values that the columns may have. */
function storable({ after, unusedSince, status, ...query }: KeyQuery): KeyQuery {
  const { descending } = query
  return {
    ...query,
    status: status && { ...status, now: toStorableNumber(status.now) },
    unusedSince: unusedSince === undefined ? undefined : toStorableNumber(unusedSince),
    after: after && storablePlace(after, descending),
  }
}

/** No key that is stored stands between this place and the one that was asked for. */
function storablePlace({ value, id }: KeyCursor, isDescending: boolean): KeyCursor {
  const place = placeAmongStorable(id, isDescending)
  if (typeof value === 'number') return { value: toStorableNumber(value), id: place }
  if (value?.includes('\0') !== true) return { value, id: place }
  return { value: placeAmongStorable(value, isDescending), id: isDescending ? '' : '\u{10ffff}' }
}

/** Whether reading an owner's keys may take longer than walking all keys in the order asked. */
async function hasManyKeys(query: Query, schema: string, owner: string | undefined): Promise<boolean> {
  if (owner === undefined) return false
  const [row] = await query<{ readonly count: number }>(
    `SELECT count(*) AS count FROM (
        SELECT 1 FROM ${schema}.keys WHERE owner = $1 LIMIT ${sortedMax + 1}
      ) AS few`,
    [owner],
  )
  return (row?.count ?? 0) > sortedMax
}

async function findEnd(query: Query, walk: Walk, start: Place | undefined): Promise<Place | undefined> {
  const [row] = await run<Place>(query, walk.selectEnd(start, sliceLength))
  return row
}

function selectRows(query: Query, { sql, values }: Selection, limit: number): Promise<readonly KeyRow[]> {
  return run(query, { sql, values: [...values, limit] })
}

/** The same statement, with numbers in the place of each `?`. */
function run<Row extends object>(query: Query, { sql, values }: Selection): Promise<readonly Row[]> {
  let place = 0
  const numbered = sql.replace(/\?/g, () => {
    place += 1
    return `$${place}`
  })
  return query<Row>(numbered, values)
}
