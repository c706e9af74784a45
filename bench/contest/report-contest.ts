import type { BenchResult, Target } from '../bench.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import type { Contestant } from './contestant.ts'
import type { Turn } from './entrant.ts'

type Turns = readonly (Turn | undefined)[]

/** A promise about the ratio of two contestants' requests a second. */
interface RatioTarget {
  readonly name: string
  readonly of: string
  readonly against: string
  readonly least: number
}

export interface Contest {
  readonly name: string
  readonly contestants: readonly Contestant[]
  readonly targets: readonly RatioTarget[]
  /** What a reader must know beside what is true of every contest. */
  readonly notes: readonly string[]
}

const columns = [
  'server',
  'requests/s',
  '÷ bare',
  'CPU µs/request',
  '÷ bare',
  'p50 ms',
  'p99 ms',
  'turns',
] as const

/**
 * Medians, with the least and the most in brackets; ratios are those of turns of the same round.
 */
export function reportContest(
  { name: contest, contestants, targets, notes }: Contest,
  turns: ReadonlyMap<string, Turns>,
  isPinned: boolean,
): BenchResult {
  const of = (name: string) => turns.get(name) ?? []
  const row = ({ name, describes, base, missing }: Contestant): readonly string[] => {
    const valid = of(name).filter((turn) => turn !== undefined)
    if (missing !== undefined || valid.length === 0)
      return [describes, missing ?? 'no valid turn', ...columns.slice(2).map(() => '')]
    return [
      describes,
      formatSpread(spreadOf(valid.map((turn) => turn.requestsPerSecond)), 0),
      formatSpread(ratioOf(of(name), of(base), 'requestsPerSecond'), 2),
      formatSpread(spreadOf(valid.map((turn) => turn.cpuPerRequest)), 1),
      formatSpread(ratioOf(of(name), of(base), 'cpuPerRequest'), 2),
      formatNumber(spreadOf(valid.map((turn) => turn.p50)).median, 2),
      formatNumber(spreadOf(valid.map((turn) => turn.p99)).median, 2),
      `${valid.length}/${of(name).length}`,
    ]
  }
  return {
    name: contest,
    tables: [{ title: 'POST /predict, one core, 64 connections', columns, rows: contestants.map(row) }],
    targets: targets.flatMap((target) => judge(target, baseOf(target.of, contestants), of)),
    notes: [
      'Median (least–most) over interleaved turns; a ratio is between turns of the same round.',
      'CPU time is user and system time of the server’s process over the turn, for every request answered.',
      isPinned
        ? 'The server runs on core 0, the load generator on core 1.'
        : 'Nothing is pinned: `taskset` or a second core is missing, and server and load share what there is.',
      ...notes,
    ],
    samples: Object.fromEntries(turns),
  }
}

/**
 * How far turns of a bare server, which are all alike, may lie apart. On a machine that others use
 * they do by a factor of 8, and a median of such ratios comes out on either side of a target by
 * chance.
 */
const unsteadyFrom = 1.25

function judge(
  { name, of: measured, against, least }: RatioTarget,
  base: string,
  of: (name: string) => Turns,
): readonly Target[] {
  const { min, max } = spreadOf(of(base).flatMap((turn) => turn?.requestsPerSecond ?? []))
  const isSteady = max / min < unsteadyFrom
  const ratio = ratioOf(of(measured), of(against), 'requestsPerSecond')
  if (Number.isNaN(ratio.median)) return []
  return [
    {
      name,
      wanted: `≥ ${least}`,
      measured: formatSpread(ratio, 2),
      isMet: isSteady ? ratio.median >= least : undefined,
    },
  ]
}

function baseOf(name: string, contestants: readonly Contestant[]): string {
  return contestants.find((contestant) => contestant.name === name)?.base ?? name
}

function ratioOf(turns: Turns, base: Turns, field: keyof Turn): Spread {
  const ratios = turns.flatMap((turn, round) => {
    const other = base[round]
    return turn === undefined || other === undefined ? [] : turn[field] / other[field]
  })
  return spreadOf(ratios)
}
