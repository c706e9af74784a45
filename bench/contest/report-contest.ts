import type { BenchResult } from '../bench.ts'
import { formatNumber, formatSpread, spreadOf } from '../statistics.ts'
import type { Table } from '../table.ts'
import { agreementMax, turnsMin } from './agreement.ts'
import type { Contestant } from './contestant.ts'
import type { LoadMode, Turn } from './entrant.ts'
import { type ContestTarget, judgeContest, ratioOf, type Turns, type TurnsByLoad } from './judge-contest.ts'

export interface Contest {
  readonly name: string
  readonly contestants: readonly Contestant[]
  readonly targets: readonly ContestTarget[]
  /** What is asked of each. @default 'POST /predict' */
  readonly asks?: string
  /** What columns call the contestant that others are measured against. @default 'bare' */
  readonly baseName?: string
  /** What a reader must know beside what is true of every contest. */
  readonly notes: readonly string[]
}

type TurnsOf = (name: string | undefined) => Turns

const columnsFor = (base: string) =>
  [
    'server',
    'requests/s',
    `÷ ${base}`,
    `÷ ${base}, same headers`,
    'CPU µs/request',
    `÷ ${base}`,
    'p50 ms',
    'p99 ms',
    `÷ ${base}`,
    'RSS MiB',
    'turns',
  ] as const

const loads = {
  blocking: 'the load generator’s core goes idle between answers',
  spinning: 'the load generator’s core is kept awake',
} as const satisfies Readonly<Record<LoadMode, string>>

/**
 * Medians, with the least and the most in brackets; ratios are those of turns of the same round.
 */
export function reportContest(
  { name, contestants, targets, notes, asks = 'POST /predict', baseName = 'bare' }: Contest,
  turns: TurnsByLoad,
  isPinned: boolean,
): BenchResult {
  const tables = [...turns].flatMap(([load, byName]) => {
    const of: TurnsOf = (one) => byName.get(one ?? '') ?? []
    const title = `${asks}, one core, 64 connections, ${load}: ${loads[load]}`
    return [
      { title, columns: columnsFor(baseName), rows: contestants.map((one) => rowOf(one, of)) },
      changeTable(contestants, of, load),
    ]
  })
  const baseOf = (of: string) => contestants.find((one) => one.name === of)?.base ?? of
  return {
    name,
    tables,
    targets: targets.flatMap((target) => judgeContest(target, baseOf(target.of), turns)),
    notes: [
      'Median (least–most) over interleaved turns; a ratio is between turns of the same round.',
      'CPU time is user and system time of the server’s process over the turn, threads included, for every request answered; RSS is that of the end of a turn.',
      `A verdict needs ${turnsMin} turns of the ${baseName} server that agree within ${agreementMax * 100} % (most less least over the median, without the farthest): their requests/s for requests/s and p99, their CPU time for CPU time.`,
      isPinned
        ? 'The server runs on core 0, the load generator on core 1.'
        : 'Nothing is pinned: `taskset` or a second core is missing, and server and load share what there is.',
      ...notes,
    ],
    samples: Object.fromEntries([...turns].map(([load, byName]) => [load, Object.fromEntries(byName)])),
  }
}

function rowOf({ name, describes, base, sameHeaders, missing }: Contestant, of: TurnsOf): readonly string[] {
  const valid = of(name).filter((turn) => turn !== undefined)
  if (missing !== undefined || valid.length === 0)
    return [
      describes,
      missing ?? 'no valid turn',
      ...columnsFor('')
        .slice(2)
        .map(() => ''),
    ]
  const spread = (figure: keyof Turn, digits: number) =>
    formatSpread(spreadOf(valid.map((turn) => turn[figure])), digits)
  const ratio = (against: string, figure: keyof Turn) =>
    formatSpread(ratioOf(of(name), of(against), figure), 2)
  return [
    describes,
    spread('requestsPerSecond', 0),
    ratio(base, 'requestsPerSecond'),
    sameHeaders === undefined ? '' : ratio(sameHeaders, 'requestsPerSecond'),
    spread('cpuPerRequest', 1),
    ratio(base, 'cpuPerRequest'),
    formatNumber(spreadOf(valid.map((turn) => turn.p50)).median, 2),
    spread('p99', 2),
    ratio(base, 'p99'),
    formatNumber(spreadOf(valid.map((turn) => turn.residentMiB)).max, 0),
    `${valid.length}/${of(name).length}`,
  ]
}

/** What became of each row of the other checkout; without one, no rows. */
function changeTable(contestants: readonly Contestant[], of: TurnsOf, load: LoadMode): Table {
  const compared = contestants.filter(({ before }) => of(before).length > 0)
  return {
    title: `This checkout over the other, ${load}`,
    columns: ['server', 'requests/s', 'CPU µs/request', 'p50', 'p99', 'RSS'],
    rows: compared.map(({ name, describes, before }) => [
      describes,
      ...(['requestsPerSecond', 'cpuPerRequest', 'p50', 'p99', 'residentMiB'] as const).map((figure) =>
        formatSpread(ratioOf(of(name), of(before), figure), 2),
      ),
    ]),
  }
}
