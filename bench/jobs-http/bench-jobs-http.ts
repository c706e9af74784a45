import { loadavg } from 'node:os'
import type { Bench, BenchResult, Target } from '../bench.ts'
import { installWrk } from '../contest/wrk.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import {
  type Contestant,
  connections,
  findContestants,
  type JobServer,
  startJobServer,
  type Turn,
} from './job-server.ts'

const targetPerSecond = 2_000
const warmUpSeconds = 1

type Measured = ReadonlyMap<Contestant, readonly Turn[]>

/**
 * How many predictions a server accepts to answer later, over HTTP, and how many of them it
 * completes.
 */
export const benchJobsHttp: Bench = async ({ rounds = 5, seconds = 5, only }, tell) => {
  installWrk(tell)
  const chosen = findContestants().filter(({ name }) => only === undefined || only.includes(name))
  const folder = createTemporaryFolder()
  const servers = new Map<Contestant, JobServer>()
  const measured = new Map(chosen.map((contestant) => [contestant, [] as Turn[]]))
  try {
    for (const contestant of chosen)
      if (contestant.missing === undefined)
        servers.set(contestant, await startJobServer(contestant, folder.path))
    for (const server of servers.values()) await server.takeTurn(warmUpSeconds)
    for (let round = 1; round <= rounds; round += 1)
      for (const [contestant, server] of servers) {
        const turn = await server.takeTurn(seconds)
        measured.get(contestant)?.push(turn)
        const shown = `${turn.acceptedPerSecond.toFixed(0)} accepted, ${turn.completedPerSecond?.toFixed(0) ?? '?'} completed a second`
        tell(`round ${round} of ${rounds}, load ${loadavg()[0]?.toFixed(2)}, ${contestant.name}: ${shown}`)
      }
    return report(measured)
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()))
    folder.remove()
  }
}

function report(measured: Measured): BenchResult {
  const turnsOf = (wanted: string) => [...measured].find(([{ name }]) => name === wanted)?.[1] ?? []
  const [own, fastApi] = [turnsOf('modelward'), turnsOf('fastapi')]
  return {
    name: 'jobs-http',
    tables: [
      {
        title: `Predictions that are answered later, ${connections} connections`,
        columns: ['server', 'accepted/s', '÷ FastAPI', 'completed/s', 'CPU µs/job', 'p50 ms', 'p99 ms'],
        rows: [...measured].map(([{ describes, missing }, turns]) => [
          describes,
          ...(missing === undefined ? cellsOf(turns, fastApi) : [missing]),
        ]),
      },
    ],
    targets:
      own.length === 0
        ? []
        : [
            targetOf('accepted durably', spreadOf(own.map(({ acceptedPerSecond }) => acceptedPerSecond))),
            targetOf(
              'completed',
              spreadOf(own.flatMap(({ completedPerSecond }) => completedPerSecond ?? [])),
            ),
          ],
    notes: [
      'Median (least–most) over interleaved turns; a ratio is between turns of the same round. Nothing is pinned.',
      'Completed: all that a turn accepted, from its first request until no job waits or runs.',
      'FastAPI’s background task runs in the same process after its answer: it is lost with the process, and has no result that anybody could ask for.',
    ],
    samples: Object.fromEntries([...measured].map(([{ name }, turns]) => [name, turns])),
  }
}

function cellsOf(turns: readonly Turn[], fastApi: readonly Turn[]): readonly string[] {
  const spread = (read: (turn: Turn) => number) => spreadOf(turns.map(read))
  const ratios = turns.flatMap(({ acceptedPerSecond }, round) => {
    const other = fastApi[round]
    return other === undefined ? [] : acceptedPerSecond / other.acceptedPerSecond
  })
  const completed = turns.flatMap(({ completedPerSecond }) => completedPerSecond ?? [])
  return [
    formatSpread(
      spread(({ acceptedPerSecond }) => acceptedPerSecond),
      0,
    ),
    ratios.length === 0 ? '' : formatSpread(spreadOf(ratios), 2),
    completed.length === 0 ? 'cannot be told' : formatSpread(spreadOf(completed), 0),
    formatSpread(
      spread(({ cpuPerJob }) => cpuPerJob),
      0,
    ),
    formatNumber(spread(({ p50Ms }) => p50Ms).median, 2),
    formatNumber(spread(({ p99Ms }) => p99Ms).median, 2),
  ]
}

function targetOf(name: string, { median }: Spread): Target {
  return {
    name,
    wanted: `≥ ${formatNumber(targetPerSecond, 0)} jobs/s`,
    measured: formatNumber(median, 0),
    isMet: median >= targetPerSecond,
  }
}
