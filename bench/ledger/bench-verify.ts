import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeBlock } from '../../src/core/ledger-block.ts'
import { firstLink, nextLink } from '../../src/core/ledger-chain.ts'
import { encodeEntry } from '../../src/core/ledger-encoding.ts'
import { ledgerEntry } from '../../src/core/ledger-record.ts'
import { verifyLedger } from '../../src/core/ledger-verify.ts'
import { openLedgerBlocks } from '../../src/stores/sqlite/ledger-blocks.ts'
import { openLedgerDatabase } from '../../src/stores/sqlite/ledger-database.ts'
import type { Bench, BenchResult } from '../bench.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'

const recordsOfFile = 2_000_000
/** What a commit gathers at 64 connections. */
const recordsOfBlock = 64
const target = 500_000

/** How fast a ledger's file is read and verified, on one thread. */
export const benchVerify: Bench = async ({ rounds = 5 }, tell) => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-bench-verify-'))
  try {
    const file = join(folder, 'ledger.db')
    tell(`writing ${formatNumber(recordsOfFile, 0)} records`)
    writeLedger(file)
    const rates: number[] = []
    let heapMiB = 0
    for (let round = 1; round <= rounds; round += 1) {
      rates.push(measureVerifying(file))
      heapMiB = Math.max(heapMiB, process.memoryUsage().heapUsed / 2 ** 20)
      tell(`round ${round} of ${rounds}`)
    }
    return report(rates, statSync(file).size, heapMiB)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Records a second. */
function measureVerifying(file: string): number {
  const ledger = openLedgerBlocks(file)
  const startedAt = performance.now()
  const { records, firstBroken } = verifyLedger(ledger.blocks())
  const seconds = (performance.now() - startedAt) / 1_000
  ledger.close()
  if (firstBroken !== undefined || records !== recordsOfFile)
    throw new Error(`verified ${records} records: ${firstBroken?.message ?? 'not all of them'}`)
  return records / seconds
}

function writeLedger(file: string): void {
  const stream = 'ab'.repeat(16)
  const database = openLedgerDatabase({ file, busyTimeoutMs: 1_000 })
  database.prepare('INSERT INTO stream VALUES (1, ?, 0)').run(stream)
  const insert = database.prepare('INSERT INTO block VALUES (NULL, 1, ?, ?, ?, ?, ?)')
  let link = firstLink(stream)
  database.exec('BEGIN')
  for (let seq = 0; seq < recordsOfFile; ) {
    const at = 1_764_000_000_000 + seq
    const firstSeq = seq + 1
    const records = Array.from({ length: recordsOfBlock }, () => {
      const entry = encodeEntry(requestEntry(seq, at))
      seq += 1
      link = nextLink(link, seq, entry)
      return { entry, link }
    })
    insert.run(firstSeq, recordsOfBlock, at, at, encodeBlock(records))
  }
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

function requestEntry(number: number, at: number): ReturnType<typeof ledgerEntry> {
  return ledgerEntry({
    at,
    event: 'request.admitted',
    requestId: `0198a7c2-5b1e-7d3a-9f00-${String(number).padStart(12, '0')}`,
    keyId: '7Qm2xT0bKc9Z',
    owner: 'acme',
    method: 'POST',
    route: '/predict',
    status: 200,
    latencyUs: 412,
    measures: { requests: 1, characters: 40 },
    address: '203.0.113.7',
  })
}

function report(rates: readonly number[], bytes: number, heapMiB: number): BenchResult {
  const spread: Spread = spreadOf(rates)
  return {
    name: 'verify',
    tables: [
      {
        title: `Verifying a file of ${formatNumber(recordsOfFile, 0)} records, one stream, ${recordsOfBlock} records a block`,
        columns: ['', 'records/s', 'bytes a record', 'heap, MiB, at most'],
        rows: [
          [
            '`ledger verify`',
            formatSpread(spread, 0),
            formatNumber(bytes / recordsOfFile, 0),
            formatNumber(heapMiB, 0),
          ],
        ],
      },
    ],
    targets: [
      {
        name: 'verifying',
        wanted: `≥ ${formatNumber(target, 0)} records/s`,
        measured: formatNumber(spread.median, 0),
        isMet: spread.median >= target,
      },
    ],
    notes: [
      'Median (least–most); one thread, the file in the page cache; the heap is that of the whole benchmark, after each round.',
    ],
    samples: { recordsPerSecond: rates },
  }
}
