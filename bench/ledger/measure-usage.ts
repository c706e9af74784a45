import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UsageGroup, UsageQuery } from '../../src/ledger/ledger.ts'
import { addEntry, createUsageCounts } from '../../src/ledger/query/usage-counts.ts'
import { usageWidths } from '../../src/storage/ledger/usage-cells.ts'
import { inspectFolder } from '../../src/storage/sqlite/inspect-folder.ts'
import { openUsageDatabase } from '../../src/storage/sqlite/ledger/usage/usage-database.ts'
import { createUsageWriter } from '../../src/storage/sqlite/ledger/usage/usage-table.ts'
import { inTransaction } from '../../src/storage/sqlite/transaction.ts'
import { percentileOf } from '../statistics.ts'
import { fillLedger } from './ledger-folder.ts'
import { keyIdOf } from './record-of.ts'

/** Milliseconds that summing up takes: the median and the worst, after one that does not count. */
export interface Summed {
  readonly p50Ms: number
  readonly maxMs: number
}

const rounds = 10
const days = 30
const keys = 1_000
const requestsAnHour = 10
const [hourMs, dayMs] = usageWidths
const begin = Date.UTC(2026, 0, 1)

/** Rows of so many keys in each hour of 30 days. */
export const usageRows: number = (keys * days * dayMs) / hourMs

/** Usage by day of one key that all records are of. */
export async function measureKeyUsage(records: number): Promise<Summed> {
  return withFolder(async (data) => {
    await fillLedger(data, records, 1, 8_192)
    return measure(data, { by: ['day'], keyId: keyIdOf(0) })
  })
}

/** Usage of 30 days of 1,000 keys, by what is asked. */
export async function measureMonthUsage(
  asked: readonly (readonly UsageGroup[])[],
): Promise<readonly Summed[]> {
  return withFolder(async (data) => {
    // Rows count for a ledger that has been summed up.
    await fillLedger(data, 100, 1, 100)
    fillMonth(join(data, 'ledger.db'))
    const summed: Summed[] = []
    for (const by of asked) summed.push(await measure(data, { by, since: begin }))
    return summed
  })
}

async function withFolder<T>(use: (data: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-bench-'))
  try {
    return await use(join(folder, 'data'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(data: string, query: UsageQuery): Promise<Summed> {
  const reader = await inspectFolder(data).ledger.openReader()
  await reader.usage(query)
  const times = new Float64Array(rounds)
  for (let round = 0; round < rounds; round += 1) {
    const begunAt = performance.now()
    await reader.usage(query)
    times[round] = performance.now() - begunAt
  }
  await reader.close()
  return { p50Ms: percentileOf(times, 0.5), maxMs: percentileOf(times, 1) }
}

function fillMonth(ledgerFile: string): void {
  const usage = openUsageDatabase(ledgerFile, 0)
  inTransaction(usage, () => {
    const write = createUsageWriter(usage)
    const putBucket = usage.prepare('INSERT OR IGNORE INTO bucket VALUES (?, ?, 1, 1)')
    for (let at = begin; at < begin + days * dayMs; at += hourMs) {
      putBucket.run(hourMs, at)
      putBucket.run(dayMs, at - (at % dayMs))
      for (let key = 0; key < keys; key += 1) {
        const subject = {
          at,
          keyId: keyIdOf(key),
          owner: `owner-${key % 100}`,
          route: '/predict',
          model: null,
        }
        write({ subject, counts: countsOf(key + at / hourMs) })
      }
    }
  })
  usage.close()
}

function countsOf(seed: number): ReturnType<typeof createUsageCounts> {
  const counts = createUsageCounts()
  for (let number = 0; number < requestsAnHour; number += 1)
    addEntry(counts, {
      at: begin,
      event: number % 10 === 0 ? 'request.refused' : 'request.admitted',
      code: number % 10 === 0 ? 'rate_limited' : null,
      keyId: null,
      owner: null,
      route: null,
      model: null,
      latencyUs: 900 + ((number * 31 + seed * 517) % 4_000),
      measures: [
        ['requests', number % 10 === 0 ? 0 : 1],
        ['characters', number % 1_000],
      ],
    })
  return counts
}
