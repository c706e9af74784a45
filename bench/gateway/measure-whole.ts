import { type Turn, takeTurn } from '../contest/entrant.ts'
import type { TurnsByLoad } from '../contest/judge-contest.ts'
import { type OpenSide, wholeCall } from './sides.ts'

export interface WholeOptions {
  readonly rounds: number
  readonly seconds: number
  /** The core of the load; undefined: nothing is pinned. */
  readonly core: number | undefined
  readonly loads: readonly ('blocking' | 'spinning')[]
  readonly tell: (message: string) => void
}

export interface WholeMeasured {
  /** 64 connections. */
  readonly turns: TurnsByLoad
  /**
   * One connection: what each side adds to the median of a call to the model server itself, in
   * milliseconds.
   */
  readonly addedMs: ReadonlyMap<string, readonly number[]>
}

const warmUpSeconds = 2
const oneConnection = { connections: 1, load: 'blocking' } as const

/** Whole answers, round by round, so that whatever else the machine does meets all alike. */
export async function measureWhole(
  open: readonly OpenSide[],
  upstream: string,
  { rounds, seconds, core, loads, tell }: WholeOptions,
): Promise<WholeMeasured> {
  const turns = new Map(loads.map((load) => [load, new Map<string, (Turn | undefined)[]>()]))
  const addedMs = new Map<string, number[]>()
  for (const one of open)
    await turnOf(one, { seconds: Math.min(seconds, warmUpSeconds), core, load: 'blocking' })
  for (let round = 1; round <= rounds; round += 1) {
    for (const load of loads)
      for (const one of open) {
        const turn = await turnOf(one, { seconds, core, load })
        push(turns.get(load), one.side.name, turn)
        const shown = turn === undefined ? 'void: not every answer was a success' : describe(turn)
        tell(`round ${round} of ${rounds}, whole, ${load}, ${one.side.name}: ${shown}`)
      }
    const direct = await directTurn(open, upstream, seconds, core)
    for (const one of open) {
      const turn = await turnOf(one, { seconds: shortOf(seconds), core, ...oneConnection })
      if (turn !== undefined && direct !== undefined) push(addedMs, one.side.name, turn.p50 - direct.p50)
    }
  }
  return { turns, addedMs }
}

const describe = ({ requestsPerSecond, cpuPerRequest }: Turn): string =>
  `${requestsPerSecond.toFixed(0)} requests/s, ${cpuPerRequest.toFixed(1)} µs CPU each`

type TurnOptions = Parameters<typeof takeTurn>[1]

const shortOf = (seconds: number): number => Math.max(1, Math.floor(seconds / 2))

/** Undefined, so that it counts for nothing, unless every answer was a success. */
function turnOf({ server, url, headers }: OpenSide, options: TurnOptions): Promise<Turn | undefined> {
  const { Authorization: value = '', ...more } = headers
  const load = { url, header: { name: 'Authorization', value }, body: wholeCall, headers: more }
  return takeTurn({ server, load }, options)
}

/** Of the model server itself; the CPU time of that turn is another process's, and unused. */
function directTurn(
  [first]: readonly OpenSide[],
  upstream: string,
  seconds: number,
  core: number | undefined,
): Promise<Turn | undefined> {
  if (first === undefined) throw new Error('nothing is measured')
  const direct = { ...first, url: first.url.replace(/^http:\/\/[^/]+/, upstream) }
  return turnOf(direct, { seconds: shortOf(seconds), core, ...oneConnection })
}

function push<Value>(to: Map<string, Value[]> | undefined, name: string, value: Value): void {
  to?.set(name, [...(to.get(name) ?? []), value])
}
