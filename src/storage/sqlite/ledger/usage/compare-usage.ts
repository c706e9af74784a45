import { differenceOf } from '../../../ledger/compare-counts.ts'
import { type CountCells, rowsOfKeyMax } from '../../../ledger/usage-cells.ts'
import type { SqliteDatabase } from '../../database.ts'
import { countColumns, type RowCells } from './usage-table.ts'

/** An hour or a day, and the blocks that its records are in. */
export interface UsageBucket {
  /** Milliseconds. */
  readonly width: number
  /** When it begins, milliseconds since the epoch. */
  readonly bucket: number
  readonly first: number
  readonly last: number
}

/** What two roll-ups have of one bucket. */
export interface ComparedBuckets {
  readonly stored: UsageBucket
  /** Undefined if none of its records are left. */
  readonly recomputed: UsageBucket | undefined
  /** The oldest block that is left. */
  readonly oldest: number
  /** Whether retention dropped records of it: then the stored sums may be larger. */
  readonly isPartial: boolean
}

/** One thing that is not as in the records, as a clause about its hour or day. */
export type Tell = (difference: string) => void

const names = ['key', 'owner', 'route', 'model'] as const
const rowsAtOnce = 512
const textMax = 128

/** Compares a stored roll-up with a recomputed one, bucket by bucket, few rows of it at a time. */
export function createUsageComparison(
  stored: SqliteDatabase,
  recomputed: SqliteDatabase,
): (buckets: ComparedBuckets, tell: Tell) => void {
  const storedRows = createRows(stored)
  const recomputedRows = createRows(recomputed)

  function compareRows({ stored: { width, bucket }, isPartial }: ComparedBuckets, tell: Tell): void {
    let found = 0
    for (const [key, owner, route, model, ...cells] of recomputedRows.all(width, bucket)) {
      // Which of its rows are `other`, records decided that are gone.
      if (isPartial && storedRows.count(width, bucket, key) >= rowsOfKeyMax) continue
      const row = storedRows.find(width, bucket, key, owner, route, model)
      if (row !== undefined) found += 1
      const difference = row === undefined ? 'no row is stored' : differenceOf(row, cells, isPartial)
      if (difference !== undefined) tell(`${difference}, ${nameOf(key, owner, route, model)}`)
    }
    if (isPartial || storedRows.count(width, bucket) === found) return
    for (const [key, owner, route, model] of storedRows.all(width, bucket))
      if (recomputedRows.find(width, bucket, key, owner, route, model) === undefined)
        tell(`a row is stored that no record is of, ${nameOf(key, owner, route, model)}`)
  }

  return (buckets, tell) => {
    compareRows(buckets, tell)
    const { stored: said, recomputed: seen, oldest, isPartial } = buckets
    const isRight =
      seen === undefined
        ? isPartial && said.last < oldest
        : (isPartial || seen.first === said.first) && seen.last === said.last
    if (isRight) return
    const are = seen === undefined ? 'none is left of it' : `they are in ${seen.first} to ${seen.last}`
    tell(`its records are stored as in blocks ${said.first} to ${said.last}, and ${are}`)
  }
}

/** What is stored of rows. */
function createRows(usage: SqliteDatabase) {
  const columns = `SELECT key_id, owner, route, model, ${countColumns} FROM usage WHERE width = ? AND bucket = ?`
  const order = `ORDER BY key_id, owner, route, model LIMIT ${rowsAtOnce}`
  const first = usage.prepareCells<RowCells>(`${columns} ${order}`)
  const next = usage.prepareCells<RowCells>(
    `${columns} AND (key_id, owner, route, model) > (?, ?, ?, ?) ${order}`,
  )
  const one = usage.prepareCells<CountCells>(
    `SELECT ${countColumns} FROM usage
     WHERE width = ? AND bucket = ? AND key_id = ? AND owner = ? AND route = ? AND model = ?`,
  )
  const count = 'SELECT count(*) FROM usage WHERE width = ? AND bucket = ?'
  const countAll = usage.prepareCells<readonly [number]>(count)
  const countOfKey = usage.prepareCells<readonly [number]>(`${count} AND key_id = ?`)
  return {
    /** @throws RangeError where damaged rows lead back to others, without an end */
    *all(width: number, bucket: number): Generator<RowCells, void, undefined> {
      let left = countAll.get(width, bucket)?.[0] ?? 0
      for (let rows = first.all(width, bucket); ; ) {
        yield* rows
        const last = rows.at(-1)
        if (last === undefined) return
        left -= rows.length
        if (left < 0) throw new RangeError('its rows are not in their order')
        const [key, owner, route, model] = last
        rows = next.all(width, bucket, key, owner, route, model)
      }
    },
    find: (width: number, bucket: number, ...texts: readonly string[]): CountCells | undefined =>
      one.get(width, bucket, ...texts),
    count: (width: number, bucket: number, key?: string): number =>
      (key === undefined ? countAll.get(width, bucket) : countOfKey.get(width, bucket, key))?.[0] ?? 0,
  }
}

function nameOf(...texts: readonly string[]): string {
  const named = names.flatMap((name, index) => {
    const text = texts[index] ?? ''
    return text === '' ? [] : [`${name} ${text.length > textMax ? `${text.slice(0, textMax)}…` : text}`]
  })
  return named.length === 0 ? 'without a key' : named.join(', ')
}
