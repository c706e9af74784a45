import type { Target } from '../bench.ts'
import { formatSpread, type Spread, spreadOf } from '../statistics.ts'
import { disagreementOf, mayJudge } from './agreement.ts'
import type { LoadMode, Turn } from './entrant.ts'

/** The turns of one contestant, round by round; undefined: a turn that counts for nothing. */
export type Turns = readonly (Turn | undefined)[]
export type TurnsByLoad = ReadonlyMap<LoadMode, ReadonlyMap<string, Turns>>

/**
 * A promise about one contestant: requests a second over those of another, and with them its CPU
 * time over ours, which is the same figure while the core is full; p99 over another's; or memory.
 */
export type ContestTarget = { readonly name: string; readonly of: string } & (
  | { readonly against: string; readonly least: number }
  | { readonly against: string; readonly p99Most: number }
  | { readonly residentMiBMost: number }
)

/** What is compared, and by the agreement of which figure of the bare server it is judged. */
interface Compared {
  readonly name: string
  readonly of: string
  readonly against: string
  readonly figure: 'requestsPerSecond' | 'cpuPerRequest' | 'p99'
  readonly steadyBy: 'requestsPerSecond' | 'cpuPerRequest'
  readonly wanted: string
  readonly isMet: (ratio: number) => boolean
}

/** Nothing is said of contestants that did not take part. */
export function judgeContest(target: ContestTarget, base: string, turns: TurnsByLoad): readonly Target[] {
  if ('residentMiBMost' in target) return judgeMemory(target.name, target.of, target.residentMiBMost, turns)
  const { name, of, against } = target
  if ('p99Most' in target) {
    const isMet = (ratio: number) => ratio <= target.p99Most
    const wanted = `≤ ${target.p99Most}`
    return judge(
      { name, of, against, figure: 'p99', steadyBy: 'requestsPerSecond', wanted, isMet },
      base,
      turns,
    )
  }
  const { least } = target
  const wanted = `≥ ${least.toFixed(2)}`
  const requests = { figure: 'requestsPerSecond', steadyBy: 'requestsPerSecond', of, against } as const
  const cpu = { figure: 'cpuPerRequest', steadyBy: 'cpuPerRequest', of: against, against: of } as const
  const isMet = (ratio: number) => ratio >= least
  return [
    ...judge({ name: `${name}, requests/s`, ...requests, wanted, isMet }, base, turns),
    ...judge({ name: `${name}, its CPU time ÷ ours`, ...cpu, wanted, isMet }, base, turns),
  ]
}

/** By the load under which the bare server's turns agree best; no verdict where they do not. */
function judge(compared: Compared, base: string, turns: TurnsByLoad): readonly Target[] {
  const { name, of, against, figure, steadyBy, wanted, isMet } = compared
  const loads = [...turns].map(([load, byName]) => {
    const samples = (byName.get(base) ?? []).flatMap((turn) => turn?.[steadyBy] ?? [])
    const ratio = ratioOf(byName.get(of) ?? [], byName.get(against) ?? [], figure)
    return { load, ratio, samples, disagreement: disagreementOf(samples) }
  })
  const [best] = loads
    .filter(({ ratio }) => !Number.isNaN(ratio.median))
    .toSorted((a, b) => a.disagreement - b.disagreement)
  if (best === undefined) return []
  const agreement = `${best.load}, bare within ${(best.disagreement * 100).toFixed(0)} %`
  return [
    {
      name,
      wanted,
      measured: `${formatSpread(best.ratio, 2)}, ${agreement}`,
      isMet: mayJudge(best.samples) ? isMet(best.ratio.median) : undefined,
    },
  ]
}

function judgeMemory(name: string, of: string, most: number, turns: TurnsByLoad): readonly Target[] {
  const samples = [...turns.values()].flatMap((byName) =>
    (byName.get(of) ?? []).flatMap((turn) => turn?.residentMiB ?? []),
  )
  if (samples.length === 0) return []
  const resident = spreadOf(samples)
  return [
    {
      name,
      wanted: `≤ ${most} MiB`,
      measured: `${formatSpread(resident, 0)} MiB`,
      isMet: resident.max <= most,
    },
  ]
}

/** Between turns of the same round. */
export function ratioOf(turns: Turns, base: Turns, figure: keyof Turn): Spread {
  const ratios = turns.flatMap((turn, round) => {
    const other = base[round]
    return turn === undefined || other === undefined ? [] : turn[figure] / other[figure]
  })
  return spreadOf(ratios)
}
