import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openFolder } from '../../src/storage/sqlite/open-folder.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { recordOf } from './record-of.ts'

export interface StorageWithLedger extends Storage {
  readonly ledger: Ledger
}

/** Opens a data folder as a server does, and creates what is missing. */
export async function openLedgerFolder(path: string): Promise<StorageWithLedger> {
  const storage = await openFolder(path, { create: true })
  const { ledger } = storage
  if (ledger === undefined) throw new Error(`${path}: expected a ledger`)
  return { ...storage, ledger }
}

/** Longer than maintenance, which fills the index, rests between two turns. */
const settledMs = 3_000

/**
 * Appends so many records of so many keys, with so many in flight, and closes the folder once the
 * index has caught up; gives the seconds of the appends alone.
 */
export async function fillLedger(
  path: string,
  records: number,
  keys: number,
  inFlight: number,
): Promise<number> {
  const storage = await openLedgerFolder(path)
  const startedAt = performance.now()
  let number = 0
  const appendOn = async (): Promise<void> => {
    while (number < records) await storage.ledger.append(recordOf(number++, keys))
  }
  await Promise.all(Array.from({ length: inFlight }, appendOn))
  const seconds = (performance.now() - startedAt) / 1_000
  let before: number | undefined
  for (let bytes = ledgerBytes(path); bytes !== before; bytes = ledgerBytes(path)) {
    before = bytes
    await delay(settledMs)
  }
  await storage.close()
  return seconds
}

/** What the ledger of a data folder takes on the disk, its index included. */
export function ledgerBytes(path: string): number {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  return paths
    .filter((file) => file.startsWith(join(path, 'ledger')))
    .reduce((bytes, file) => bytes + statSync(file).size, 0)
}
