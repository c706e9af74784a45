import type { Bench, BenchResult, Target } from '../bench.ts'
import { formatNumber, formatSpread, spreadOf } from '../statistics.ts'
import { type Measured, type MeasuredJobs, measureJobs, waitingJobs } from './measure-jobs.ts'

/** In flight at once: as many as a busy server has, and so many that a commit is never small. */
const depths = [64, 1_024] as const
const targetPerSecond = 2_000

type Rounds = ReadonlyMap<number, readonly MeasuredJobs[]>
type Phase = 'accepted' | 'worked'

/** What it costs to have a job durable, and to claim and end it. */
export const benchJobsStore: Bench = async ({ rounds = 3, seconds = 3 }, tell) => {
  const measured = new Map(depths.map((depth) => [depth as number, [] as MeasuredJobs[]]))
  for (let round = 1; round <= rounds; round += 1)
    for (const depth of depths) {
      tell(`${depth} in flight, round ${round} of ${rounds}`)
      measured.get(depth)?.push(await measureJobs(depth, seconds))
    }
  return report(measured)
}

function report(measured: Rounds): BenchResult {
  const claimMs = spreadOf([...measured.values()].flat().map(({ claimAmongMs }) => claimAmongMs)).median
  return {
    name: 'jobs-store',
    tables: [tableOf('Accepted', 'accepted', measured), tableOf('Claimed and settled', 'worked', measured)],
    targets: [
      ...depths.map((depth) => targetOf(`accepted durably, ${depth} in flight`, measured, depth, 'accepted')),
      ...depths.map((depth) => targetOf(`claimed and settled, ${depth} jobs`, measured, depth, 'worked')),
      {
        name: `one owner's claim among ${formatNumber(waitingJobs, 0)} waiting of another`,
        wanted: '≤ 20 ms',
        measured: `${claimMs.toFixed(1)} ms`,
        isMet: claimMs <= 20,
      },
    ],
    notes: [
      'A call is done once its commit is on the disk (`synchronous=FULL`); what comes meanwhile shares the next.',
      'Accepted: each call is one job. Claimed and settled: each worker claims 32 and then ends them, in two commits.',
      'The store, its two threads and what drives them share this machine; nothing is made before it is measured.',
    ],
    samples: { jobs: Object.fromEntries(measured) },
  }
}

function targetOf(name: string, measured: Rounds, depth: number, phase: Phase): Target {
  const { median } = figureOf(measured, depth, phase, 'jobsPerSecond')
  return {
    name,
    wanted: `≥ ${formatNumber(targetPerSecond, 0)} jobs/s`,
    measured: formatNumber(median, 0),
    isMet: median >= targetPerSecond,
  }
}

function figureOf(
  measured: Rounds,
  depth: number,
  phase: Phase,
  figure: keyof Measured,
): ReturnType<typeof spreadOf> {
  return spreadOf((measured.get(depth) ?? []).map((jobs) => jobs[phase][figure]))
}

function tableOf(title: string, phase: Phase, measured: Rounds): BenchResult['tables'][number] {
  return {
    title,
    columns: ['jobs in flight', 'jobs/s', 'p50 ms', 'p99 ms'],
    rows: depths.map((depth) => [
      depth.toLocaleString('en'),
      formatSpread(figureOf(measured, depth, phase, 'jobsPerSecond'), 0),
      formatSpread(figureOf(measured, depth, phase, 'p50Ms'), 2),
      formatSpread(figureOf(measured, depth, phase, 'p99Ms'), 2),
    ]),
  }
}
