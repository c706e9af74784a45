import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { percentileOf } from '../statistics.ts'
import { openLedgerFolder } from './ledger-folder.ts'
import { recordOf } from './record-of.ts'

export interface Appended {
  readonly recordsPerSecond: number
  /** Milliseconds until an append is durable. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Appends for so many seconds with so many in flight, to a ledger of its own with all of its
 * threads.
 */
export async function measureAppend(inFlight: number, seconds: number): Promise<Appended> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-bench-'))
  try {
    const storage = await openLedgerFolder(join(folder, 'data'))
    // Made before: a server has them at hand anyway.
    const first = recordOf(0, 10_000)
    const entries = Array.from({ length: 50_000 }, (_, index) => recordOf(index, 10_000))
    const latencies: number[] = []
    let number = 0
    let endsAt = 0
    const appendOn = async (): Promise<void> => {
      for (let now = performance.now(); now < endsAt; ) {
        await storage.ledger.append(entries[number++ % entries.length] ?? first)
        const then = performance.now()
        latencies.push(then - now)
        now = then
      }
    }
    const run = async (ms: number): Promise<number> => {
      const startedAt = performance.now()
      endsAt = startedAt + ms
      latencies.length = 0
      await Promise.all(Array.from({ length: inFlight }, appendOn))
      return performance.now() - startedAt
    }
    // Not counted: the code is compiled meanwhile.
    await run(500)
    const ms = await run(seconds * 1_000)
    await storage.close()
    const samples = Float64Array.from(latencies)
    return {
      recordsPerSecond: samples.length / (ms / 1_000),
      p50Ms: percentileOf(samples, 0.5),
      p99Ms: percentileOf(samples, 0.99),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
