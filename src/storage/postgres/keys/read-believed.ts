import { damagedMax, type ReadRows, sortOutRows } from '../../keys/sort-out-rows.ts'

/**
 * Reads rows in an order up to so many records; see `sortOutRows`.
 *
 * @param select the first rows of the order, and the same again with another limit
 * @param decode throws a fault for a row that cannot be believed
 * @throws Fault `store_unavailable` for more than a hundred of them
 */
export async function readBelieved<Row, Read>(
  limit: number,
  select: (limit: number) => Promise<readonly Row[]>,
  decode: (row: Row) => Read,
  nameOf: (row: Row) => string,
): Promise<ReadRows<Read>> {
  const rows = await select(limit)
  const read = sortOutRows(rows, limit, decode, nameOf)
  if (read.damaged.length === 0 || rows.length < limit) return read
  return sortOutRows(await select(limit + damagedMax), limit, decode, nameOf)
}
