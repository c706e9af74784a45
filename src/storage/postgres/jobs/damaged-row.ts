import { Fault } from '../../../core/fault.ts'

/** A row that no node wrote as it stands. */
export class DamagedRow extends Fault {
  /** @param row what it holds, for people: a job's id. @param where the database */
  constructor(row: string, where: string) {
    super('store_unavailable', `${where}: the row of ${row} is not the one that was written`)
  }
}

/** Runs a read. Undefined where what it reads is damaged. */
export async function unlessDamaged<Found>(read: () => Found | Promise<Found>): Promise<Found | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof DamagedRow) return undefined
    throw error
  }
}
