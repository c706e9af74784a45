import type { Bench, BenchResult, Target } from '../bench.ts'
import { startPostgresService } from '../postgres-service.ts'
import { formatSpread, spreadOf } from '../statistics.ts'
import { type JobsSide, openOurs, openPgBoss } from './sides.ts'

const phases = ['submit', 'work'] as const
type Phase = (typeof phases)[number]

/** Calls at once: submissions as a busy server has them, and workers' claims. */
const lanes: Readonly<Record<Phase, number>> = { submit: 64, work: 4 }
const wanted: Readonly<Record<Phase, number>> = { submit: 2, work: 0.4 }
const titles: Readonly<Record<Phase, string>> = { submit: 'submit', work: 'claim 16 and settle' }
/** Jobs of each side that wait before the first turn. */
const waiting = 20_000

interface Turn {
  readonly jobsPerSecond: number
  /** Of this process, and of all of PostgreSQL's, microseconds a job. */
  readonly nodeUs: number
  readonly serverUs: number
}

type Turns = Readonly<Record<Phase, { readonly ours: Turn[]; readonly boss: Turn[] }>>

/** What jobs in PostgreSQL cost, beside pg-boss on the same server in the same rounds. */
export const benchJobsPostgres: Bench = async ({ rounds = 7, seconds = 3 }, tell) => {
  await using service = await startPostgresService()
  const ours = await openOurs(service.url)
  const boss = await openPgBoss(service.url)
  const turns: Turns = { submit: { ours: [], boss: [] }, work: { ours: [], boss: [] } }
  const sides = { ours, boss }
  try {
    await Promise.all([ours.fill(waiting), boss.fill(waiting)])
    for (let round = 1; round <= rounds; round += 1)
      for (const phase of phases) {
        tell(`${titles[phase]}, round ${round} of ${rounds}`)
        // Who goes first has the other's writes to the disk behind it the other time.
        for (const name of round % 2 === 0 ? (['ours', 'boss'] as const) : (['boss', 'ours'] as const)) {
          if (phase === 'work') await sides[name].fill(waiting)
          turns[phase][name].push(await measure(sides[name], phase, seconds, service.cpu))
        }
      }
  } finally {
    await ours.close()
    await boss.close()
  }
  return report(turns)
}

async function measure(
  side: JobsSide,
  phase: Phase,
  seconds: number,
  serverCpu: () => ReadonlyMap<number, number>,
): Promise<Turn> {
  let jobs = 0
  const serverBefore = serverCpu()
  const nodeBefore = process.cpuUsage()
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  const workOn = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const done = await side[phase]()
      jobs += done
    }
  }
  await Promise.all(Array.from({ length: lanes[phase] }, workOn))
  const ms = performance.now() - startedAt
  const node = process.cpuUsage(nodeBefore)
  const used = [...serverCpu()].map(([pid, us]) => us - (serverBefore.get(pid) ?? 0))
  return {
    jobsPerSecond: jobs / (ms / 1_000),
    nodeUs: (node.user + node.system) / jobs,
    serverUs: used.reduce((sum, us) => sum + us, 0) / jobs,
  }
}

function report(turns: Turns): BenchResult {
  return {
    name: 'jobs-postgres',
    tables: [
      {
        title: 'Jobs',
        columns: ['', 'by', 'jobs/s', 'process µs', 'server µs'],
        rows: phases.flatMap((phase) => [
          rowOf(titles[phase], 'Modelward', turns[phase].ours),
          rowOf(titles[phase], 'pg-boss', turns[phase].boss),
        ]),
      },
    ],
    targets: phases.map((phase) => targetOf(phase, turns)),
    notes: [
      'A submission is done once its commit is on the disk, in both. Each is one job, and Modelward’s that come while others are written share a commit; `send` of pg-boss is a statement and a commit of its own.',
      'A worker claims 16 and ends them with a result, in two calls, in both. Modelward’s of 20 owners, of whom each claim takes by turns.',
      'Both have ten connections, and share the server, its disk and this machine. Maintenance of pg-boss is off.',
    ],
    samples: { turns },
  }
}

function targetOf(phase: Phase, turns: Turns): Target {
  const { ours, boss } = turns[phase]
  const ratio = spreadOf(
    ours.map(({ jobsPerSecond }, round) => jobsPerSecond / (boss[round]?.jobsPerSecond ?? 0)),
  )
  return {
    name: `${titles[phase]}, jobs/s beside pg-boss`,
    wanted: `≥ ${wanted[phase]} ×`,
    measured: `${formatSpread(ratio, 2)} ×`,
    isMet: ratio.median >= wanted[phase],
  }
}

function rowOf(title: string, by: string, turns: readonly Turn[]): readonly string[] {
  const cell = (figure: keyof Turn, digits: number): string =>
    formatSpread(spreadOf(turns.map((turn) => turn[figure])), digits)
  return [title, by, cell('jobsPerSecond', 0), cell('nodeUs', 1), cell('serverUs', 1)]
}
