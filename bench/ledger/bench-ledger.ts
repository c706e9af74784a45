import type { Bench, BenchResult, Target } from '../bench.ts'
import { formatNumber, formatSpread, spreadOf } from '../statistics.ts'
import { type Appended, measureAppend } from './measure-append.ts'
import { measureQuery, type Queried } from './measure-query.ts'
import { measureKeyUsage, measureMonthUsage, type Summed, usageRows } from './measure-usage.ts'

/**
 * In flight at once: one, as many as a busy server has, and so many that a commit is never small.
 */
const depths = [1, 64, 4_096] as const
/**
 * How many keys share the records: few, so that each is in every block, and so many that each is in
 * few.
 */
const keyCounts = [100, 100_000] as const

/** All records of one key; and what usage of a month is summed up by. */
const keyRecords = 100_000
const monthGroups = [['day'], ['owner'], ['key'], ['key', 'day']] as const

/** Usage, by what it is of. */
type Usages = ReadonlyMap<string, Summed>
type Appends = ReadonlyMap<number, readonly Appended[]>
type Queries = ReadonlyMap<number, Queried>

/** What it costs to have a record durable, and to find it again. */
export const benchLedger: Bench = async ({ rounds = 3, seconds = 5, records = 1_000_000 }, tell) => {
  const appends = new Map(depths.map((depth) => [depth as number, [] as Appended[]]))
  for (let round = 1; round <= rounds; round += 1)
    for (const depth of depths) {
      tell(`${depth} in flight, round ${round} of ${rounds}`)
      appends.get(depth)?.push(await measureAppend(depth, seconds))
    }
  const queries = new Map<number, Queried>()
  for (const keys of keyCounts) {
    tell(`${records.toLocaleString('en')} records of ${keys.toLocaleString('en')} keys`)
    queries.set(keys, await measureQuery(records, keys))
  }
  return report(appends, queries, await measureUsages(tell), records)
}

async function measureUsages(tell: Parameters<Bench>[1]): Promise<Usages> {
  tell(`usage of a key with ${keyRecords.toLocaleString('en')} records`)
  const ofKey = await measureKeyUsage(keyRecords)
  tell(`usage of 30 days over ${usageRows.toLocaleString('en')} rows`)
  const ofMonth = await measureMonthUsage(monthGroups)
  const month = monthGroups.map((by, index) => [`30 days, by ${by.join()}`, ofMonth[index]] as const)
  return new Map([
    ['a key', ofKey],
    ...month.flatMap(([name, summed]) => (summed ? [[name, summed] as const] : [])),
  ])
}

function report(appends: Appends, queries: Queries, usages: Usages, records: number): BenchResult {
  const count = records.toLocaleString('en')
  const slowest = Math.max(...[...queries.values()].map(({ last100Ms }) => last100Ms.p50))
  const largest = Math.max(...[...queries.values()].map(({ bytesPerRecord }) => bytesPerRecord))
  return {
    name: 'ledger',
    tables: [appendTable(appends), queryTable(queries, count), usageTable(usages)],
    targets: [
      rateTarget(appends, 64, 200_000),
      rateTarget(appends, 4_096, 400_000),
      {
        name: `one key's last 100 of ${count} (p50)`,
        wanted: '≤ 20 ms',
        measured: `${slowest.toFixed(1)} ms`,
        isMet: slowest <= 20,
      },
      usageTarget(usages, 'a key', 100),
      usageTarget(usages, '30 days, by day', 300),
      {
        name: 'on the disk, a record',
        wanted: '≤ 250 bytes',
        measured: `${largest.toFixed(0)} bytes`,
        isMet: largest <= 250,
      },
    ],
    notes: [
      'An append is done once its commit is on the disk: with few in flight the disk decides.',
      'Appends are made, encoded, chained, committed, indexed and checkpointed in one process, threads included.',
      'Times of queries and of usage are those of a reader in another connection, its thread included, after one that does not count: it starts the thread.',
      `Usage of a key: ${keyRecords.toLocaleString('en')} records, all of it. 30 days: ${usageRows.toLocaleString('en')} rows of 1,000 keys, an hour each, written as the roll-up writes them.`,
      'Bytes a record: all of the ledger’s files after a clean close, the index included, divided by the records.',
    ],
    samples: {
      appends: Object.fromEntries(appends),
      queries: Object.fromEntries(queries),
      usages: Object.fromEntries(usages),
    },
  }
}

function rateTarget(appends: Appends, depth: (typeof depths)[number], least: number): Target {
  const rate = spreadOf((appends.get(depth) ?? []).map(({ recordsPerSecond }) => recordsPerSecond))
  return {
    name: `the ledger alone, ${formatNumber(depth, 0)} in flight`,
    wanted: `≥ ${formatNumber(least, 0)} records/s`,
    measured: formatSpread(rate, 0),
    isMet: rate.median >= least,
  }
}

function usageTarget(usages: Usages, name: string, most: number): Target {
  const { p50Ms = Number.NaN } = usages.get(name) ?? {}
  return {
    name: `usage of ${name} (p50)`,
    wanted: `≤ ${most} ms`,
    measured: `${p50Ms.toFixed(1)} ms`,
    isMet: p50Ms <= most,
  }
}

function usageTable(usages: Usages): BenchResult['tables'][number] {
  return {
    title: 'Usage',
    columns: ['of', 'p50 ms', 'worst of 10, ms'],
    rows: [...usages].map(([name, { p50Ms, maxMs }]) => [name, p50Ms.toFixed(1), maxMs.toFixed(1)]),
  }
}

function appendTable(appends: Appends): BenchResult['tables'][number] {
  const cell = (depth: number, figure: keyof Appended, digits: number): string =>
    formatSpread(spreadOf((appends.get(depth) ?? []).map((appended) => appended[figure])), digits)
  return {
    title: 'Appends',
    columns: ['in flight', 'records/s', 'p50 ms', 'p99 ms'],
    rows: depths.map((depth) => [
      depth.toLocaleString('en'),
      cell(depth, 'recordsPerSecond', 0),
      cell(depth, 'p50Ms', 2),
      cell(depth, 'p99Ms', 2),
    ]),
  }
}

function queryTable(queries: Queries, count: string): BenchResult['tables'][number] {
  return {
    title: `${count} records`,
    columns: ['keys', "one key's last 100: p50 ms", 'worst of 50, ms', 'bytes a record', 'records/s filled'],
    rows: [...queries].map(([keys, { last100Ms, bytesPerRecord, buildSeconds }]) => [
      keys.toLocaleString('en'),
      last100Ms.p50.toFixed(1),
      last100Ms.max.toFixed(1),
      bytesPerRecord.toFixed(0),
      formatNumber(Number(count.replaceAll(',', '')) / buildSeconds, 0),
    ]),
  }
}
