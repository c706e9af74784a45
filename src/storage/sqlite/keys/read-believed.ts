import { Fault } from '../../../core/fault.ts'

/** Rows that one answer leaves out at most: with more, the file is of no use. */
const damagedMax = 100

/** Rows as records, and the names of those that cannot be believed. */
export interface ReadRows<Read> {
  readonly records: readonly Read[]
  readonly damaged: readonly string[]
}

/**
 * Reads rows in an order up to so many records. What cannot be believed is left out and named, so
 * that one damaged row hides no other.
 *
 * @param select the first rows of the order, and the same again with another limit
 * @param decode throws a fault for a row that cannot be believed
 * @throws Fault `store_unavailable` for more than a hundred of them
 */
export function readBelieved<Row, Read>(
  limit: number,
  select: (limit: number) => readonly Row[],
  decode: (row: Row) => Read,
  nameOf: (row: Row) => string,
): ReadRows<Read> {
  function sortOut(rows: readonly Row[]): ReadRows<Read> {
    const records: Read[] = []
    const damaged: string[] = []
    for (const row of rows) {
      if (records.length === limit) break
      try {
        records.push(decode(row))
      } catch (error) {
        if (!(error instanceof Fault) || damaged.length === damagedMax) throw error
        damaged.push(nameOf(row))
      }
    }
    return { records, damaged }
  }

  const rows = select(limit)
  const read = sortOut(rows)
  if (read.damaged.length === 0 || rows.length < limit) return read
  return sortOut(select(limit + damagedMax))
}

/** For the page of a listing. */
export function namingDamaged(damaged: readonly string[]): { readonly damaged?: readonly string[] } {
  return damaged.length === 0 ? {} : { damaged }
}
