import { crc32 } from 'node:zlib'
import { Fault } from '../../../core/fault.ts'
import { isCorrupt } from '../sqlite-error.ts'

/**
 * The checksum of a row, which stands in its column `sum`: CRC-32 (ISO 3309) finds every flipped
 * bit, and of other damage all but one in four billion. It is no MAC: it tells damage, not forgery.
 *
 * @param cells all but large ones
 * @param body the large one
 */
export function sumOf(cells: readonly (string | number | null)[], body: string | Uint8Array = ''): number {
  return crc32(body, crc32(JSON.stringify(cells)))
}

/** The checksum of a text that may come in pieces; 0 of an empty one. */
export function sumOfText(text: string, before = 0): number {
  return crc32(text, before)
}

/** In the column `sum` of a row that was found damaged: it fits no row. */
export const damagedSum = -1

/** A row that is not the one that was written. */
export class DamagedRow extends Fault {
  /** @param row what it holds, for people: a job's id */
  constructor(row: string) {
    super('store_unavailable', `jobs.db: the row of ${row} is not the one that was written`)
  }
}

export function isDamage(error: unknown): boolean {
  return error instanceof DamagedRow || isCorrupt(error)
}

/** Runs a read. Undefined where what it reads is damaged. */
export function unlessDamaged<Found>(read: () => Found): Found | undefined {
  try {
    return read()
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}
