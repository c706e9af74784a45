import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Peppers } from './peppers.ts'

/** A stored value as it is read: a text, a whole number, bytes, or nothing. */
export type Cell = string | number | Uint8Array | null

/**
 * MACs of stored rows under the peppers: what is believed of a database that others may write, or a
 * disk may damage. A pepper stays good for the rows that were written under it.
 */
export interface RowMacs {
  /**
   * The MAC of a row: the version of the pepper, 4 bytes, and HMAC-SHA-256, 32. Under the first
   * pepper, which is kept for the keys made under it: a process that was started before a rotation
   * reads what is written after it.
   */
  readonly of: (table: string, cells: readonly Cell[]) => Uint8Array
  /** Whether the MAC is that of this row, in constant time; false too for a missing one. */
  readonly isOf: (table: string, cells: readonly Cell[], mac: Uint8Array | null) => boolean
}

const versionBytes = 4
const macBytes = versionBytes + 32
/** Another text for each purpose and format: no other MAC or digest under a pepper equals one. */
const purpose = 'row macs v1'

export function createRowMacs(peppers: Peppers): RowMacs {
  const keys = new Map<number, KeyObject>(
    peppers.versions.map((version) => [version, peppers.derive(purpose, version)]),
  )

  const { first } = peppers

  function macOf(key: KeyObject, version: number, table: string, cells: readonly Cell[]): Buffer {
    const mac = Buffer.allocUnsafe(macBytes)
    mac.writeUInt32BE(version)
    createHmac('sha256', key).update(canonicalText(table, cells)).digest().copy(mac, versionBytes)
    return mac
  }

  return {
    of(table, cells) {
      const key = keys.get(first)
      if (key === undefined) throw new RangeError(`no pepper has version ${first}`)
      return macOf(key, first, table, cells)
    },
    isOf(table, cells, mac) {
      if (mac === null || mac.length !== macBytes) return false
      const version = new DataView(mac.buffer, mac.byteOffset).getUint32(0)
      const key = keys.get(version)
      return key !== undefined && timingSafeEqual(macOf(key, version, table, cells), mac)
    },
  }
}

/**
 * One text for each row, and no text for two: JSON, with bytes as a list of one text in base64. A
 * store keeps no lone surrogate, so it has none here.
 */
function canonicalText(table: string, cells: readonly Cell[]): string {
  return JSON.stringify([table, ...cells.map(writable)])
}

function writable(cell: Cell): unknown {
  if (typeof cell === 'string') return cell.toWellFormed()
  if (typeof cell !== 'object' || cell === null) return cell
  return [Buffer.from(cell.buffer, cell.byteOffset, cell.length).toString('base64')]
}
