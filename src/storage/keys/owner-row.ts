import { Fault } from '../../core/fault.ts'
import type { OwnerRecord } from '../../keys/record/owner-record.ts'
import type { Cell } from '../../secrets/row-macs.ts'
import { parseFrozen } from '../parse-frozen.ts'

/** An owner as a database has it. */
export interface OwnerRow {
  readonly owner: string
  readonly version: number
  readonly limits: string
  readonly created_at: number
  readonly updated_at: number
  readonly change: number
  readonly mac: Uint8Array | null
}

/** What the MAC of an owner's row is of. */
export function believedCells(row: Omit<OwnerRow, 'mac'>): readonly Cell[] {
  return [row.owner, row.version, row.limits, row.created_at, row.updated_at, row.change]
}

/**
 * A row as a frozen owner.
 *
 * @throws Fault `store_unavailable` for a row that this program did not write
 */
export function decodeOwner(row: Omit<OwnerRow, 'mac' | 'change'>): OwnerRecord {
  try {
    return Object.freeze({
      owner: row.owner,
      version: row.version,
      limits: parseFrozen<readonly string[]>(row.limits),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    })
  } catch (error) {
    throw new Fault('store_unavailable', `owner ${row.owner}: its row cannot be read`, { cause: error })
  }
}
