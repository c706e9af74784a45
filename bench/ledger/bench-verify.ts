import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectFolder } from '../../src/storage/sqlite/inspect-folder.ts'
import type { Bench, BenchResult } from '../bench.ts'
import { formatNumber, formatSpread, spreadOf } from '../statistics.ts'
import { fillLedger, ledgerBytes } from './ledger-folder.ts'

/**
 * How many keys share the records: few, so that each is in every block, and so many that each is in
 * few.
 */
const keyCounts = [100, 5_000] as const
/** As many as a busy server has. */
const inFlight = 64
const target = 800_000

interface Verified {
  readonly recordsPerSecond: number
  /** Of all of the process's threads, the collector's included. */
  readonly cpuUsPerRecord: number
}

interface Row {
  readonly keys: number
  readonly bytesPerRecord: number
  readonly rounds: readonly Verified[]
}

/** How fast a ledger is read and verified, its sums of usage in a second thread. */
export const benchVerify: Bench = async ({ rounds = 5, records = 2_000_000 }, tell) => {
  const rows: Row[] = []
  let heapMiB = 0
  for (const keys of keyCounts) {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-bench-verify-'))
    try {
      const data = join(folder, 'data')
      tell(`writing ${formatNumber(records, 0)} records of ${formatNumber(keys, 0)} keys`)
      await fillLedger(data, records, keys, inFlight)
      const verified: Verified[] = []
      for (let round = 1; round <= rounds; round += 1) {
        tell(`${formatNumber(keys, 0)} keys, round ${round} of ${rounds}`)
        verified.push(await measureVerifying(data, records))
        heapMiB = Math.max(heapMiB, process.memoryUsage().heapUsed / 2 ** 20)
      }
      rows.push({ keys, bytesPerRecord: ledgerBytes(data) / records, rounds: verified })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return report(rows, records, heapMiB)
}

async function measureVerifying(data: string, least: number): Promise<Verified> {
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  const { records, firstBroken } = await inspectFolder(data).ledger.verify({})
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(cpuBefore)
  // The ledger's own events are more.
  if (firstBroken !== undefined || records < least)
    throw new Error(`verified ${records} records: ${firstBroken?.message ?? 'not all of them'}`)
  return { recordsPerSecond: records / seconds, cpuUsPerRecord: (user + system) / records }
}

function report(rows: readonly Row[], records: number, heapMiB: number): BenchResult {
  const slowest = Math.min(...rows.map(({ rounds }) => rateOf(rounds).median))
  return {
    name: 'verify',
    tables: [
      {
        title: `Verifying ${formatNumber(records, 0)} records, one stream, appended with ${inFlight} in flight`,
        columns: ['keys', 'records/s', 'CPU µs a record', 'bytes a record'],
        rows: rows.map(({ keys, bytesPerRecord, rounds }) => [
          formatNumber(keys, 0),
          formatSpread(rateOf(rounds), 0),
          formatSpread(spreadOf(rounds.map(({ cpuUsPerRecord }) => cpuUsPerRecord)), 2),
          formatNumber(bytesPerRecord, 0),
        ]),
      },
    ],
    targets: [
      {
        name: 'verifying, index and usage included',
        wanted: `≥ ${formatNumber(target, 0)} records/s`,
        measured: formatNumber(slowest, 0),
        isMet: slowest >= target,
      },
    ],
    notes: [
      'As `ledger verify`: the chain, checkpoints and the index in one thread, the sums of usage in another. Median (least–most); the files in the page cache.',
      `Heap of the whole benchmark after a round: at most ${formatNumber(heapMiB, 0)} MiB.`,
    ],
    samples: { rows },
  }
}

function rateOf(rounds: readonly Verified[]): ReturnType<typeof spreadOf> {
  return spreadOf(rounds.map(({ recordsPerSecond }) => recordsPerSecond))
}
