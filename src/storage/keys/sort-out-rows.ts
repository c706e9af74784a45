import { Fault } from '../../core/fault.ts'

/** Rows that one answer leaves out at most: with more, the store is of no use. */
export const damagedMax = 100

/** Rows as records, and the names of those that cannot be believed. */
export interface ReadRows<Read> {
  readonly records: readonly Read[]
  readonly damaged: readonly string[]
}

/**
 * The first records of rows, up to so many. What cannot be believed is left out and named, so that
 * one damaged row hides no other.
 *
 * @param decode throws a fault for a row that cannot be believed
 * @throws Fault `store_unavailable` for more than a hundred of them
 */
export function sortOutRows<Row, Read>(
  rows: readonly Row[],
  limit: number,
  decode: (row: Row) => Read,
  nameOf: (row: Row) => string,
): ReadRows<Read> {
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

/** For the page of a listing. */
export function namingDamaged(damaged: readonly string[]): { readonly damaged?: readonly string[] } {
  return damaged.length === 0 ? {} : { damaged }
}
