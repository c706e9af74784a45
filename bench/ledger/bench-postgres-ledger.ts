import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openPostgresLedger } from '../../src/storage/postgres/ledger/ledger.ts'
import { openPostgres } from '../../src/storage/postgres/postgres.ts'
import { prepareSchema } from '../../src/storage/postgres/schema.ts'
import { openSqliteLedger } from '../../src/storage/sqlite/ledger/ledger.ts'
import type { Bench, BenchResult } from '../bench.ts'
import { type PostgresService, startPostgresService } from '../postgres-service.ts'
import { formatSpread, percentileOf, spreadOf } from '../statistics.ts'
import { recordOf } from './record-of.ts'

const depths = [64, 1_024] as const
const keys = 10_000

interface Appended {
  readonly recordsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of this process, its threads included, microseconds a record. */
  readonly nodeUs: number
  /** Of all of PostgreSQL's processes, and of the one that commits; 0 for SQLite. */
  readonly serverUs: number
  readonly commitUs: number
}

/** Turns of one depth, by who wrote. */
interface Turns {
  readonly sqlite: Appended[]
  readonly postgres: Appended[]
}

/** What a durable record costs in PostgreSQL, beside SQLite in the same rounds. */
export const benchPostgresLedger: Bench = async ({ rounds = 5, seconds = 5 }, tell) => {
  await using service = await startPostgresService()
  const turns = new Map(depths.map((depth) => [depth as number, { sqlite: [], postgres: [] } as Turns]))
  for (let round = 1; round <= rounds; round += 1)
    for (const depth of depths) {
      tell(`${depth} in flight, round ${round} of ${rounds}`)
      const of = turns.get(depth)
      of?.sqlite.push(await measureSqlite(depth, seconds))
      of?.postgres.push(await measurePostgres(service, `round_${round}_${depth}`, depth, seconds))
    }
  return report(turns)
}

const { privateKey: signingKey } = generateKeyPairSync('ed25519')

async function measureSqlite(inFlight: number, seconds: number): Promise<Appended> {
  const folder = await mkdtemp(join(tmpdir(), 'modelward-bench-'))
  try {
    const ledger = await openSqliteLedger({ file: join(folder, 'ledger.db'), signingKey })
    return await measure(ledger, inFlight, seconds, { cpu: () => new Map(), writer: async () => undefined })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measurePostgres(
  { url: server, cpu }: PostgresService,
  schema: string,
  inFlight: number,
  seconds: number,
): Promise<Appended> {
  const url = new URL(server)
  url.searchParams.set('schema', schema)
  await prepareSchema(url.href)
  const ledger = await openPostgresLedger({ url: url.href, signingKey, node: 'bench' })
  return measure(ledger, inFlight, seconds, { cpu, writer: () => findWriter(url.href) })
}

/** The process of PostgreSQL that has committed last. */
async function findWriter(url: string): Promise<number | undefined> {
  const postgres = await openPostgres({ url, fault: 'ledger_unavailable', connectionsMax: 1 })
  try {
    const [found] = await postgres.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE position($1 IN query) = 1 OR position($2 IN query) > 0',
      [`SELECT ${postgres.schema}.commit_block`, `INSERT INTO ${postgres.schema}.block `],
    )
    return found?.pid
  } finally {
    await postgres.close()
  }
}

interface Server {
  readonly cpu: PostgresService['cpu']
  /** The process that commits; not the one that indexes behind it, which may use more. */
  readonly writer: () => Promise<number | undefined>
}

async function measure(
  ledger: Ledger,
  inFlight: number,
  seconds: number,
  { cpu: serverCpu, writer }: Server,
): Promise<Appended> {
  const first = recordOf(0, keys)
  const entries = Array.from({ length: 50_000 }, (_, index) => recordOf(index, keys))
  const latencies: number[] = []
  let number = 0
  let endsAt = 0
  const appendOn = async (): Promise<void> => {
    for (let now = performance.now(); now < endsAt; ) {
      await ledger.append(entries[number++ % entries.length] ?? first)
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
  const committing = await writer()
  const before = serverCpu()
  const nodeBefore = process.cpuUsage()
  const ms = await run(seconds * 1_000)
  const node = process.cpuUsage(nodeBefore)
  const used = new Map([...serverCpu()].map(([pid, us]) => [pid, us - (before.get(pid) ?? 0)]))
  await ledger.close()
  const samples = Float64Array.from(latencies)
  const count = samples.length
  return {
    recordsPerSecond: count / (ms / 1_000),
    p50Ms: percentileOf(samples, 0.5),
    p99Ms: percentileOf(samples, 0.99),
    nodeUs: (node.user + node.system) / count,
    serverUs: [...used.values()].reduce((sum, us) => sum + us, 0) / count,
    commitUs: (used.get(committing ?? 0) ?? 0) / count,
  }
}

function report(turns: ReadonlyMap<number, Turns>): BenchResult {
  const { sqlite = [], postgres = [] } = turns.get(64) ?? {}
  const ratios = postgres.map(
    ({ recordsPerSecond }, round) => recordsPerSecond / (sqlite[round]?.recordsPerSecond ?? 0),
  )
  const ratio = spreadOf(ratios)
  const commit = spreadOf(postgres.map(({ commitUs }) => commitUs))
  return {
    name: 'ledger-postgres',
    tables: [tableOf(turns)],
    targets: [
      {
        name: 'records/s, 64 in flight, beside SQLite',
        wanted: '≥ 0.5 ×',
        measured: `${formatSpread(ratio, 2)} ×`,
        isMet: ratio.median >= 0.5,
      },
      {
        name: 'PostgreSQL’s processor time a record, 64 in flight, in commits',
        wanted: '≤ 4 µs',
        measured: `${formatSpread(commit, 1)} µs`,
        isMet: commit.median <= 4,
      },
    ],
    notes: [
      'An append is done once its commit is on the disk, in both; both index behind the records and share this machine and its disk.',
      `Records are of ${keys.toLocaleString('en')} keys in turn, the most that an index can have to do with them.`,
      'In commits: the process of PostgreSQL that the writer is connected to. In all: with the index, the log’s writer and the checkpointer.',
    ],
    samples: { turns: Object.fromEntries(turns) },
  }
}

function tableOf(turns: ReadonlyMap<number, Turns>): BenchResult['tables'][number] {
  const cell = (appended: readonly Appended[], figure: keyof Appended, digits: number): string =>
    formatSpread(spreadOf(appended.map((one) => one[figure])), digits)
  return {
    title: 'Appends',
    columns: ['in flight', 'in', 'records/s', 'p50 ms', 'p99 ms', 'process µs', 'server µs, commits', 'all'],
    rows: [...turns].flatMap(([depth, by]) =>
      Object.entries(by).map(([name, appended]: [string, readonly Appended[]]) => [
        depth.toLocaleString('en'),
        name,
        cell(appended, 'recordsPerSecond', 0),
        cell(appended, 'p50Ms', 2),
        cell(appended, 'p99Ms', 2),
        cell(appended, 'nodeUs', 1),
        cell(appended, 'commitUs', 1),
        cell(appended, 'serverUs', 1),
      ]),
    ),
  }
}
