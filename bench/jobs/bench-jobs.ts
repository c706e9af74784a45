import { loadavg } from 'node:os'
import type { Bench, BenchResult, Target } from '../bench.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import {
  type MeasuredPhase,
  type MeasuredWardJobs,
  measureWardJobs,
  submitters,
} from './measure-ward-jobs.ts'

const targetPerSecond = 2_000

type Rounds = readonly MeasuredWardJobs[]
type Phase = keyof MeasuredWardJobs

const phases: Readonly<Record<Phase, string>> = {
  accepted: 'accepted, without workers',
  completed: 'completed, all were waiting',
  together: 'accepted and completed at once',
}

/** How many jobs a ward accepts and completes, over SQLite with its ledger, in one process. */
export const benchJobs: Bench = async ({ rounds = 5, jobs = 20_000 }, tell) => {
  const measured: MeasuredWardJobs[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const one = await measureWardJobs(jobs)
    measured.push(one)
    const rates = Object.entries(one).map(
      ([name, { jobsPerSecond }]) => `${name} ${jobsPerSecond.toFixed(0)}`,
    )
    tell(`round ${round} of ${rounds}, load ${loadavg()[0]?.toFixed(2)}: ${rates.join(', ')} jobs/s`)
  }
  return report(measured, jobs)
}

function report(measured: Rounds, jobs: number): BenchResult {
  return {
    name: 'jobs',
    tables: [
      {
        title: `Jobs of the built-in model, ${submitters} submitters`,
        columns: ['phase', 'jobs/s', 'CPU µs/job'],
        rows: (Object.keys(phases) as Phase[]).map((phase) => [
          phases[phase],
          formatSpread(figureOf(measured, phase, 'jobsPerSecond'), 0),
          formatSpread(figureOf(measured, phase, 'cpuPerJob'), 0),
        ]),
      },
      {
        title: 'Until a job is accepted',
        columns: ['p50 ms', 'p99 ms'],
        rows: [
          [
            formatSpread(spreadOf(measured.map(({ accepted }) => accepted.p50Ms)), 2),
            formatSpread(spreadOf(measured.map(({ accepted }) => accepted.p99Ms)), 2),
          ],
        ],
      },
    ],
    targets: [
      targetOf('accepted durably', measured, 'accepted'),
      targetOf('completed with the built-in model', measured, 'completed'),
    ],
    notes: [
      `${formatNumber(jobs, 0)} jobs a phase, of one input each and of four owners; \`openModelward\` with its ledger, whose records are durable before anything goes on.`,
      'A job is four commits to the jobs and the ledger before it begins, and two more until it has ended; those that come at once share them.',
      'CPU time is that of the whole process, with the threads that write.',
    ],
    samples: { jobs: measured },
  }
}

function figureOf(measured: Rounds, phase: Phase, figure: keyof MeasuredPhase): Spread {
  return spreadOf(measured.map((one) => one[phase][figure]))
}

function targetOf(name: string, measured: Rounds, phase: Phase): Target {
  const { median } = figureOf(measured, phase, 'jobsPerSecond')
  return {
    name,
    wanted: `≥ ${formatNumber(targetPerSecond, 0)} jobs/s`,
    measured: formatNumber(median, 0),
    isMet: median >= targetPerSecond,
  }
}
