import { loadavg } from 'node:os'
import type { Bench, BenchResult, Target } from '../bench.ts'
import { installWrk } from '../contest/wrk.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { formatSpread, type Spread, spreadOf } from '../statistics.ts'
import {
  type Contestant,
  findContestants,
  type SaturatedServer,
  startSaturatedServer,
  type Turn,
} from './saturated-server.ts'

/** Ask the slow model, one call after the other. */
const connections = 16
const ratioMax = 2

interface Round {
  readonly idle: Turn
  readonly saturated: Turn
}

type Route = 'health' | 'fast'
const routes: Readonly<Record<Route, string>> = { health: '`GET /health`', fast: 'the fast model' }

/** Whether a slow model that has all it can do holds up what does not ask it. */
export const benchSaturated: Bench = async ({ rounds = 5, seconds = 5, only }, tell) => {
  installWrk(tell)
  const chosen = findContestants().filter(({ name }) => only === undefined || only.includes(name))
  const folder = createTemporaryFolder()
  const servers = new Map<Contestant, SaturatedServer>()
  const measured = new Map<Contestant, Round[]>()
  try {
    for (const contestant of chosen) {
      measured.set(contestant, [])
      if (contestant.missing === undefined)
        servers.set(contestant, await startSaturatedServer(contestant, folder.path))
    }
    for (let round = 1; round <= rounds; round += 1)
      for (const [contestant, server] of servers) {
        const idle = await server.takeTurn(0, seconds)
        const saturated = await server.takeTurn(connections, seconds)
        measured.get(contestant)?.push({ idle, saturated })
        const shown = `p99 of /health ${idle.health.p99Ms.toFixed(2)} and ${saturated.health.p99Ms.toFixed(2)} ms`
        tell(`round ${round} of ${rounds}, load ${loadavg()[0]?.toFixed(2)}, ${contestant.name}: ${shown}`)
      }
    return report(measured)
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()))
    folder.remove()
  }
}

function report(measured: ReadonlyMap<Contestant, readonly Round[]>): BenchResult {
  const rows = [...measured].flatMap(([contestant, rounds]) =>
    (Object.keys(routes) as Route[]).map((route) => rowOf(contestant, rounds, route)),
  )
  const own = [...measured].find(([{ name }]) => name === 'modelward')?.[1] ?? []
  return {
    name: 'saturated',
    tables: [
      {
        title: `Beside a model of 20 ms CPU time a call, asked by ${connections} connections`,
        columns: [
          'server',
          'route',
          'p50 ms idle',
          'p50 ms saturated',
          'p99 ms idle',
          'p99 ms saturated',
          'p99 ÷ idle',
          'slow calls/s',
        ],
        rows,
      },
    ],
    targets: own.length === 0 ? [] : (Object.keys(routes) as Route[]).map((route) => targetOf(own, route)),
    notes: [
      'Median (least–most) over interleaved rounds; a ratio is between an idle and a saturated turn of the same round.',
      'One request after the other, 5 ms apart, on each of the two routes at once; nothing is pinned.',
    ],
    samples: Object.fromEntries([...measured].map(([{ name }, rounds]) => [name, rounds])),
  }
}

function rowOf(
  { describes, missing }: Contestant,
  rounds: readonly Round[],
  route: Route,
): readonly string[] {
  if (missing !== undefined) return [describes, missing]
  const spread = (read: (round: Round) => number) => formatSpread(spreadOf(rounds.map(read)), 2)
  return [
    describes,
    routes[route],
    spread(({ idle }) => idle[route].p50Ms),
    spread(({ saturated }) => saturated[route].p50Ms),
    spread(({ idle }) => idle[route].p99Ms),
    spread(({ saturated }) => saturated[route].p99Ms),
    formatSpread(ratioOf(rounds, route), 2),
    formatSpread(spreadOf(rounds.map(({ saturated }) => saturated.slowPerSecond)), 0),
  ]
}

function ratioOf(rounds: readonly Round[], route: Route): Spread {
  return spreadOf(rounds.map(({ idle, saturated }) => saturated[route].p99Ms / idle[route].p99Ms))
}

function targetOf(rounds: readonly Round[], route: Route): Target {
  const ratio = ratioOf(rounds, route)
  return {
    name: `p99 of ${routes[route]}, saturated to idle`,
    wanted: `≤ ${ratioMax} ×`,
    measured: formatSpread(ratio, 2),
    isMet: ratio.median <= ratioMax,
  }
}
