import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyLedger } from '../../src/ledger/verify/verify-ledger.ts'
import { openLedgerBlocks } from '../../src/storage/sqlite/ledger/stored-blocks.ts'
import type { Bench, BenchResult } from '../bench.ts'
import { formatNumber, formatSpread, spreadOf } from '../statistics.ts'
import { recordsOfBlock, writeLedger } from './verified-ledger.ts'

/**
 * How many keys share the records: few, so that each is in every block, and so many that each is in
 * few.
 */
const keyCounts = [100, 5_000] as const
const parts = ['chain and index', 'chain only'] as const
const target = 500_000

type Part = (typeof parts)[number]

interface Verified {
  readonly recordsPerSecond: number
  /** Of all of the process's threads, the collector's included. */
  readonly cpuUsPerRecord: number
}

interface Row {
  readonly keys: number
  readonly part: Part
  readonly bytesPerRecord: number
  readonly rounds: readonly Verified[]
}

/** How fast a ledger's file is read and verified, on one thread. */
export const benchVerify: Bench = async ({ rounds = 5, records = 2_000_000 }, tell) => {
  const rows: Row[] = []
  let heapMiB = 0
  for (const keys of keyCounts) {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-bench-verify-'))
    try {
      const file = join(folder, 'ledger.db')
      tell(`writing ${formatNumber(records, 0)} records of ${formatNumber(keys, 0)} keys`)
      writeLedger(file, records, keys)
      const samples = new Map(parts.map((part) => [part, [] as Verified[]]))
      for (let round = 1; round <= rounds; round += 1) {
        tell(`${formatNumber(keys, 0)} keys, round ${round} of ${rounds}`)
        for (const [part, verified] of samples) verified.push(measureVerifying(file, records, part))
        heapMiB = Math.max(heapMiB, process.memoryUsage().heapUsed / 2 ** 20)
      }
      const bytesPerRecord = statSync(file).size / records
      for (const [part, verified] of samples) rows.push({ keys, part, bytesPerRecord, rounds: verified })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return report(rows, records, heapMiB)
}

function measureVerifying(file: string, expected: number, part: Part): Verified {
  const ledger = openLedgerBlocks(file)
  try {
    const startedAt = performance.now()
    const cpuBefore = process.cpuUsage()
    const { records, firstBroken } = verifyLedger(
      ledger.blocks(),
      part === 'chain only' ? {} : { index: ledger.checkIndex() },
    )
    const seconds = (performance.now() - startedAt) / 1_000
    const { user, system } = process.cpuUsage(cpuBefore)
    if (firstBroken !== undefined || records !== expected)
      throw new Error(`verified ${records} records: ${firstBroken?.message ?? 'not all of them'}`)
    return { recordsPerSecond: records / seconds, cpuUsPerRecord: (user + system) / records }
  } finally {
    ledger.close()
  }
}

function report(rows: readonly Row[], records: number, heapMiB: number): BenchResult {
  const asUsed = rows.filter(({ part }) => part === 'chain and index')
  const slowest = Math.min(...asUsed.map(({ rounds }) => rateOf(rounds).median))
  return {
    name: 'verify',
    tables: [
      {
        title: `Verifying a file of ${formatNumber(records, 0)} records, one stream, ${recordsOfBlock} records a block`,
        columns: ['keys', '', 'records/s', 'CPU µs a record', 'bytes a record'],
        rows: rows.map(({ keys, part, bytesPerRecord, rounds }) => [
          formatNumber(keys, 0),
          part,
          formatSpread(rateOf(rounds), 0),
          formatSpread(spreadOf(rounds.map(({ cpuUsPerRecord }) => cpuUsPerRecord)), 2),
          formatNumber(bytesPerRecord, 0),
        ]),
      },
    ],
    targets: [
      {
        name: 'verifying, index included',
        wanted: `≥ ${formatNumber(target, 0)} records/s`,
        measured: formatNumber(slowest, 0),
        isMet: slowest >= target,
      },
    ],
    notes: [
      '`ledger verify` looks at chain and index. Median (least–most); one thread, the file in the page cache.',
      `Heap of the whole benchmark after a round: at most ${formatNumber(heapMiB, 0)} MiB.`,
    ],
    samples: { rows },
  }
}

function rateOf(rounds: readonly Verified[]): ReturnType<typeof spreadOf> {
  return spreadOf(rounds.map(({ recordsPerSecond }) => recordsPerSecond))
}
