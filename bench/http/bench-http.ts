import { cpus } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { Bench } from '../bench.ts'
import { createTemporaryFolder } from '../leftovers.ts'
import { type Contestant, findContestants } from './contestants.ts'
import { checkEntrant, type Entrant, enter, type Turn, takeTurn } from './entrant.ts'
import { reportHttp } from './report-http.ts'
import { installWrk, isInstalled } from './wrk.ts'

const warmUpSeconds = 2

/** How many requests a guarded server answers, against the same route unguarded and against its peers. */
export const benchHttp: Bench = async (options, tell) => {
  const { seconds = 5, rounds = 5, only } = options
  if (process.platform !== 'linux')
    throw new Error('the benchmark `http` reads /proc, so it runs on Linux only')
  installWrk(tell)
  const all = findContestants()
  const chosen = all.filter(({ name }) => only === undefined || name === 'fastify' || only.includes(name))
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
    for (const entrant of entrants) await takeTurn(entrant, { seconds: warmUpSeconds, core })
    const turns = await takeTurns(entrants, rounds, { seconds, core }, tell)
    return reportHttp(chosen, turns, isPinned)
  } finally {
    await Promise.all(entrants.map(({ server }) => server.stop()))
    folder.remove()
  }
}

/** Whoever answers something else does other work. */
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
