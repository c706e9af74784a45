import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectFolder } from '../../src/storage/sqlite/inspect-folder.ts'
import { percentileOf } from '../statistics.ts'
import { fillLedger, ledgerBytes } from './ledger-folder.ts'
import { keyIdOf } from './record-of.ts'

export interface Queried {
  readonly bytesPerRecord: number
  readonly buildSeconds: number
  /**
   * The last 100 records of one key, milliseconds, by how many keys share the records: the median
   * and the worst of 50.
   */
  readonly last100Ms: { readonly p50: number; readonly max: number }
}

const atOnce = 8_192
const queries = 50

/** Fills a ledger with so many records of so many keys, and asks it. */
export async function measureQuery(records: number, keys: number): Promise<Queried> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-bench-'))
  try {
    const data = join(folder, 'data')
    const buildSeconds = await fillLedger(data, records, keys, atOnce)
    const bytesPerRecord = ledgerBytes(data) / records
    const reader = await inspectFolder(data).ledger.openReader()
    await reader.query({ limit: 1, order: 'newest', keyId: keyIdOf(0) })
    const times = new Float64Array(queries)
    for (let index = 0; index < queries; index += 1) {
      const keyId = keyIdOf((index * 7_907) % keys)
      const begunAt = performance.now()
      const page = await reader.query({ limit: 100, order: 'newest', keyId })
      times[index] = performance.now() - begunAt
      const expected = Math.min(100, Math.floor(records / keys))
      if (page.records.length < expected)
        throw new Error(`expected ${expected} records of ${keyId}, got ${page.records.length}`)
    }
    await reader.close()
    const last100Ms = { p50: percentileOf(times, 0.5), max: percentileOf(times, 1) }
    return { bytesPerRecord, buildSeconds, last100Ms }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
