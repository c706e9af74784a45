import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeEntry } from '../../src/ledger/format/encoding.ts'
import { createMaintenance } from '../../src/storage/sqlite/ledger/maintenance.ts'
import { openSqliteLedgerReader } from '../../src/storage/sqlite/ledger/reader.ts'
import { createStreamWriter } from '../../src/storage/sqlite/ledger/stream-writer.ts'
import { percentileOf } from '../statistics.ts'
import { keyIdOf, recordOf } from './record-of.ts'

export interface Queried {
  readonly bytesPerRecord: number
  readonly buildSeconds: number
  /**
   * The last 100 records of one key, milliseconds, by how many keys share the records: the median
   * and the worst of 50.
   */
  readonly last100Ms: { readonly p50: number; readonly max: number }
  /** Usage of one key by day, milliseconds. */
  readonly usageMs: number
}

const atOnce = 8_192
const queries = 50

/** Fills a ledger with so many records of so many keys, and asks it. */
export async function measureQuery(
  records: number,
  keys: number,
  tell: (message: string) => void,
): Promise<Queried> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-bench-'))
  try {
    const file = join(folder, 'ledger.db')
    const startedAt = performance.now()
    fill(file, records, keys, tell)
    const buildSeconds = (performance.now() - startedAt) / 1_000
    const { size } = await stat(file)
    const reader = await openSqliteLedgerReader({ file })
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
    const begunAt = performance.now()
    await reader.usage({ by: ['day'], keyId: keyIdOf(1) })
    const usageMs = performance.now() - begunAt
    await reader.close()
    const last100Ms = { p50: percentileOf(times, 0.5), max: percentileOf(times, 1) }
    return { bytesPerRecord: size / records, buildSeconds, last100Ms, usageMs }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function fill(file: string, records: number, keys: number, tell: (message: string) => void): void {
  const { privateKey: signingKey } = generateKeyPairSync('ed25519')
  const writer = createStreamWriter({ role: 'writer', file, signingKey, checkpointRecords: 10_000 })
  const maintenance = createMaintenance({ role: 'maintenance', file, signingKey, retention: {} })
  for (let number = 0; number < records; number += atOnce) {
    writer.write({ entries: batchOf(number, Math.min(atOnce, records - number), keys), now: Date.now() })
    if (number % (2 * atOnce) === 0) maintenance.maintain({ now: Date.now() })
    if (number % (128 * atOnce) === 0) tell(`${number.toLocaleString('en')} records`)
  }
  maintenance.maintain({ now: Date.now() })
  maintenance.close({ now: Date.now() })
  writer.close({ now: Date.now() })
}

function batchOf(first: number, count: number, keys: number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = []
  for (let number = first; number < first + count; number += 1) {
    const entry = encodeEntry(recordOf(number, keys))
    const length = Buffer.alloc(4)
    length.writeUInt32LE(entry.length)
    parts.push(length, entry)
  }
  return new Uint8Array(Buffer.concat(parts))
}
