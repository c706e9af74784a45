import { cpus } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { BenchOptions, BenchResult } from '../bench.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { type Contestant, chooseContestants } from './contestant.ts'
import {
  type Answer,
  checkEntrant,
  type Entrant,
  enter,
  type LoadMode,
  readAnswer,
  type Turn,
  type TurnOptions,
  takeTurn,
} from './entrant.ts'
import type { Turns } from './judge-contest.ts'
import { type Contest, reportContest } from './report-contest.ts'
import { installWrk, isInstalled } from './wrk.ts'

/** Short turns need compiled code as much as long ones do. */
const warmUpSeconds = 2

/** Measures servers against each other, one core for the server, in interleaved turns. */
export async function runContest(
  contest: Contest,
  { seconds = 5, rounds = 5, load = 'both', only }: BenchOptions,
  tell: (message: string) => void,
): Promise<BenchResult> {
  if (process.platform !== 'linux')
    throw new Error(`the benchmark \`${contest.name}\` reads /proc, so it runs on Linux only`)
  installWrk(tell)
  const contestants = chooseContestants(contest.contestants, only)
  const isPinned = cpus().length > 1 && isInstalled('taskset', '--version')
  const folder = createTemporaryFolder()
  const entrants: Entrant[] = []
  try {
    for (const contestant of contestants.filter(({ missing }) => missing === undefined)) {
      tell(`starting ${contestant.name}`)
      const headers = await readHeadersOf(contestant.headersOf, entrants)
      entrants.push(await enter(contestant, folder.path, isPinned ? 0 : undefined, headers))
    }
    await checkAnswers(entrants)
    const core = isPinned ? 1 : undefined
    for (const entrant of entrants)
      await takeTurn(entrant, { seconds: warmUpSeconds, core, load: 'blocking' })
    const turns = await takeTurns(entrants, rounds, { seconds, core, loads: loadsOf(load, isPinned) }, tell)
    return reportContest({ ...contest, contestants }, turns, isPinned)
  } finally {
    await Promise.all(entrants.map(({ server }) => server.stop()))
    folder.remove()
  }
}

/** A process that spins on a core that the server may use would slow the server. */
function loadsOf(load: LoadMode | 'both', isPinned: boolean): readonly LoadMode[] {
  if (!isPinned) return ['blocking']
  return load === 'both' ? ['blocking', 'spinning'] : [load]
}

async function readHeadersOf(
  name: string | undefined,
  entrants: readonly Entrant[],
): Promise<Answer['headers'] | undefined> {
  const entrant = entrants.find(({ contestant }) => contestant.name === name)
  return entrant && (await readAnswer(entrant)).headers
}

/** An app that answers something else does other work. */
async function checkAnswers(entrants: readonly Entrant[]): Promise<void> {
  const headers = new Map<string, readonly string[]>()
  let expected: unknown
  for (const entrant of entrants) {
    const { name, headersOf, hasSameModel } = entrant.contestant
    const answer = await checkEntrant(entrant)
    headers.set(name, Object.keys(answer.headers).sort())
    if (headersOf !== undefined) expectSame(name, headers.get(name), headers.get(headersOf))
    if (!hasSameModel) continue
    expected ??= answer.content
    expectSame(name, answer.content, expected)
  }
}

function expectSame(name: string, answer: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(answer, expected))
    throw new Error(`${name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(answer)}`)
}

/** Round by round, so that whatever else the machine does meets all alike. */
async function takeTurns(
  entrants: readonly Entrant[],
  rounds: number,
  { loads, ...options }: Omit<TurnOptions, 'load'> & { readonly loads: readonly LoadMode[] },
  tell: (message: string) => void,
): Promise<ReadonlyMap<LoadMode, ReadonlyMap<Contestant['name'], Turns>>> {
  const names = entrants.map(({ contestant }) => contestant.name)
  const turns = new Map(
    loads.map((load) => [load, new Map(names.map((name) => [name, [] as (Turn | undefined)[]]))]),
  )
  for (let round = 1; round <= rounds; round += 1) {
    for (const load of loads)
      for (const entrant of entrants) {
        const { name } = entrant.contestant
        const turn = await takeTurn(entrant, { ...options, load })
        turns.get(load)?.get(name)?.push(turn)
        const shown = turn === undefined ? 'void: not every answer was a success' : describeTurn(turn)
        tell(`round ${round} of ${rounds}, ${load}, ${name}: ${shown}`)
      }
  }
  return turns
}

function describeTurn({ requestsPerSecond, cpuPerRequest }: Turn): string {
  return `${requestsPerSecond.toFixed(0)} requests/s, ${cpuPerRequest.toFixed(1)} µs CPU each`
}
