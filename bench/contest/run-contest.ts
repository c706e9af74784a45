import { cpus } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { BenchOptions, BenchResult } from '../bench.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import type { Contestant } from './contestant.ts'
import { checkEntrant, type Entrant, enter, type Turn, takeTurn } from './entrant.ts'
import { type Contest, reportContest } from './report-contest.ts'
import { installWrk, isInstalled } from './wrk.ts'

const warmUpSeconds = 2

/** Measures servers against each other, one core for the server, in interleaved turns. */
export async function runContest(
  contest: Contest,
  { seconds = 5, rounds = 5, only }: BenchOptions,
  tell: (message: string) => void,
): Promise<BenchResult> {
  if (process.platform !== 'linux')
    throw new Error(`the benchmark \`${contest.name}\` reads /proc, so it runs on Linux only`)
  installWrk(tell)
  const chosen = chooseContestants(contest.contestants, only)
  const isPinned = cpus().length > 1 && isInstalled('taskset', '--version')
  const folder = createTemporaryFolder()
  const entrants: Entrant[] = []
  try {
    for (const contestant of chosen.filter(({ missing }) => missing === undefined)) {
      tell(`starting ${contestant.name}`)
      entrants.push(await enter(contestant, folder.path, isPinned ? 0 : undefined))
    }
    await checkAnswers(entrants)
    const core = isPinned ? 1 : undefined
    for (const entrant of entrants)
      await takeTurn(entrant, { seconds: Math.min(seconds, warmUpSeconds), core })
    const turns = await takeTurns(entrants, rounds, { seconds, core }, tell)
    return reportContest({ ...contest, contestants: chosen }, turns, isPinned)
  } finally {
    await Promise.all(entrants.map(({ server }) => server.stop()))
    folder.remove()
  }
}

/** Those that were named, and whatever they are measured against. */
function chooseContestants(
  contestants: readonly Contestant[],
  only: readonly string[] | undefined,
): readonly Contestant[] {
  if (only === undefined) return contestants
  const unknown = only.find((name) => !contestants.some((contestant) => contestant.name === name))
  if (unknown !== undefined)
    throw new Error(
      `there is no contestant \`${unknown}\`; there are ${contestants.map(({ name }) => name).join(', ')}`,
    )
  const named = contestants.filter(({ name }) => only.includes(name))
  return contestants.filter((one) => named.some(({ name, base }) => [name, base].includes(one.name)))
}

/** An app that answers something else does other work. */
async function checkAnswers(entrants: readonly Entrant[]): Promise<void> {
  let expected: unknown
  for (const entrant of entrants) {
    const answer = await checkEntrant(entrant)
    if (!entrant.contestant.hasSameModel) continue
    expected ??= answer
    if (!isDeepStrictEqual(answer, expected))
      throw new Error(
        `${entrant.contestant.name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(answer)}`,
      )
  }
}

/** Round by round, so that whatever else the machine does meets all alike. */
async function takeTurns(
  entrants: readonly Entrant[],
  rounds: number,
  options: { readonly seconds: number; readonly core: number | undefined },
  tell: (message: string) => void,
): Promise<ReadonlyMap<Contestant['name'], readonly (Turn | undefined)[]>> {
  const turns = new Map(entrants.map(({ contestant }) => [contestant.name, [] as (Turn | undefined)[]]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const entrant of entrants) {
      const { name } = entrant.contestant
      const turn = await takeTurn(entrant, options)
      turns.get(name)?.push(turn)
      const shown = turn === undefined ? 'void: not every answer was a success' : describeTurn(turn)
      tell(`round ${round} of ${rounds}, ${name}: ${shown}`)
    }
  }
  return turns
}

function describeTurn({ requestsPerSecond, cpuPerRequest }: Turn): string {
  return `${requestsPerSecond.toFixed(0)} requests/s, ${cpuPerRequest.toFixed(1)} µs CPU each`
}
