import { loadavg } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, BenchResult, Target } from '../bench.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { formatNumber, formatSpread, type Spread, spreadOf } from '../statistics.ts'
import {
  type Contestant,
  contestants,
  deadlineMs,
  type LoadedServer,
  startLoadedServer,
  type Turn,
} from './loaded-server.ts'

const batchesPerSecond = 5
/** Of what the model can do. */
const loads = [1, 2, 3] as const
const wantedShare = 0.8

/** The turns of one round, by load. */
type Round = readonly Turn[]

/** How much is still answered in time when more is asked than the model can do. */
export const benchGoodput: Bench = async ({ rounds = 3, seconds = 10, only }, tell) => {
  const chosen = contestants.filter(({ name }) => only === undefined || only.includes(name))
  const folder = createTemporaryFolder()
  const servers = new Map<Contestant, LoadedServer>()
  const measured = new Map<Contestant, Round[]>()
  try {
    for (const contestant of chosen) {
      measured.set(contestant, [])
      servers.set(contestant, await startLoadedServer(contestant, folder.path))
    }
    for (let round = 1; round <= rounds; round += 1)
      for (const [contestant, server] of servers) {
        const turns: Turn[] = []
        for (const load of loads) {
          turns.push(await server.takeTurn(load * batchesPerSecond * contestant.batchMax, seconds))
          // What is left of a turn takes no time of the next.
          await delay(deadlineMs)
        }
        measured.get(contestant)?.push(turns)
        const shown = turns.map(({ goodPerSecond }) => goodPerSecond.toFixed(1)).join(', ')
        tell(
          `round ${round} of ${rounds}, load ${loadavg()[0]?.toFixed(2)}, ${contestant.name}: ${shown} good a second`,
        )
      }
    return report(measured)
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()))
    folder.remove()
  }
}

function report(measured: ReadonlyMap<Contestant, readonly Round[]>): BenchResult {
  return {
    name: 'goodput',
    tables: [
      {
        title: `A model of 200 ms a batch on one thread, deadline ${deadlineMs / 1_000} s`,
        columns: ['server', 'asked ÷ capacity', 'good/s', 'good ÷ capacity', '503', '504', 'ms to a 503'],
        rows: [...measured].flatMap(([contestant, rounds]) =>
          loads.map((load, at) => rowOf(contestant, load, turnsAt(rounds, at))),
        ),
      },
    ],
    targets: [...measured]
      .filter(([{ name }]) => name.startsWith('modelward'))
      .map(([contestant, rounds]) => targetOf(contestant, rounds)),
    notes: [
      `Requests come at equal distances, whatever is answered. Good is what was answered 200 within the deadline, from the third second of a turn on; capacity is ${batchesPerSecond} batches a second, each of them full.`,
      'Medians (least–most) over interleaved rounds; refusals are of all rounds together.',
    ],
    samples: Object.fromEntries([...measured].map(([{ name }, rounds]) => [name, rounds])),
  }
}

function turnsAt(rounds: readonly Round[], at: number): readonly Turn[] {
  return rounds.flatMap((round) => round[at] ?? [])
}

function rowOf({ describes, batchMax }: Contestant, load: number, turns: readonly Turn[]): readonly string[] {
  const good = spreadOf(turns.map(({ goodPerSecond }) => goodPerSecond))
  const capacity = batchesPerSecond * batchMax
  const sum = (read: (turn: Turn) => number) =>
    formatNumber(
      turns.reduce((all, turn) => all + read(turn), 0),
      0,
    )
  const waits = turns.map(({ refusedAfterMs }) => refusedAfterMs).filter((ms) => !Number.isNaN(ms))
  return [
    describes,
    `${load}`,
    formatSpread(good, 1),
    formatNumber(good.median / capacity, 2),
    sum(({ refused }) => refused),
    sum(({ late }) => late),
    waits.length === 0 ? '–' : formatNumber(spreadOf(waits).median, 1),
  ]
}

function targetOf({ describes }: Contestant, rounds: readonly Round[]): Target {
  const share: Spread = spreadOf(
    rounds.map((round) => (round.at(-1)?.goodPerSecond ?? 0) / (round[0]?.goodPerSecond ?? 0)),
  )
  return {
    name: `${describes}: good at ${loads.at(-1)} × capacity ÷ good at capacity`,
    wanted: `≥ ${wantedShare}`,
    measured: formatSpread(share, 2),
    isMet: share.median >= wantedShare,
  }
}
