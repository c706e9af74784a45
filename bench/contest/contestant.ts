import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { repositoryFolder } from '../repository-folder.ts'

/**
 * What a contestant is started with; its environment says `BENCH_PORT`, `BENCH_DATA` and
 * `BENCH_KEY` too.
 */
export interface Place {
  readonly port: number
  /** Modelward's data folder; the others leave it alone. */
  readonly data: string
}

/** A request that is about a key, which another key asks. */
export interface AskedAbout {
  readonly path: string
  /** What the key that asks may do; undefined where none is asked for. */
  readonly scope?: string
  readonly body: (key: string) => string
}

/** A server that is measured. */
export interface Contestant {
  readonly name: string
  readonly describes: string
  /** Name of the contestant that it is measured against, which may be its own. */
  readonly base: string
  /** Name of the bare contestant that sends the same headers. @default none */
  readonly sameHeaders?: string
  /**
   * Name of the contestant whose answer's headers it is started with, as JSON in `BENCH_HEADERS`;
   * listed before it. @default none
   */
  readonly headersOf?: string
  /** Name of the same row of the other checkout. @default none */
  readonly before?: string
  /** Why it cannot take part on this machine. */
  readonly missing?: string
  readonly command: (place: Place) => readonly [string, ...string[]]
  /** The checkout that makes its data folder and key. @default this one */
  readonly checkout?: string
  /** The header that carries the key; undefined where none is asked for. */
  readonly keyHeader: ((key: string) => { readonly name: string; readonly value: string }) | undefined
  /** Beside what every contestant is given; where a fleet's database and Redis are. */
  readonly environment?: Readonly<Record<string, string>>
  /** What the key may use: never so little that it is refused. @default none */
  readonly keyLimit?: string
  /** What is asked in place of a prediction, about the key. @default a prediction, with the key */
  readonly asks?: AskedAbout
  /** Whether the answer must be the same as all others', value by value. */
  readonly hasSameModel: boolean
  /** Whether it writes a line a request, or more; seen to before it is measured. */
  readonly logsRequests: boolean
}

/** The command line's program. */
export const main: string = mainOf(repositoryFolder)

/** The command line's program of a checkout. */
export function mainOf(checkout: string): string {
  return join(checkout, 'src/cli/main.ts')
}

export const apiKeyHeader = (value: string): { name: string; value: string } => ({ name: 'X-API-Key', value })
export const bearerHeader = (key: string): { name: string; value: string } => ({
  name: 'Authorization',
  value: `Bearer ${key}`,
})

/**
 * Makes a data folder with a key, as a user would; gives the key.
 *
 * @param environment of a fleet, in the place of the folder
 */
export function createKey(
  data: string,
  limit: string | readonly string[],
  program: string = main,
  environment?: Contestant['environment'],
  scope = 'predict',
): string {
  const place = environment === undefined ? ['--data', data] : []
  const named = ['--name', 'bench', ...[limit].flat().flatMap((one) => ['--limit', one])]
  const args = [program, 'keys', 'create', ...named, '--scope', scope, ...place, '--json']
  const env = { ...process.env, ...environment }
  const { key } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env })) as {
    readonly key: string
  }
  return key
}

/** Those that were named, and all that they are measured against. */
export function chooseContestants(
  contestants: readonly Contestant[],
  only: readonly string[] | undefined,
): readonly Contestant[] {
  if (only === undefined) return contestants
  const unknown = only.find((name) => !contestants.some((contestant) => contestant.name === name))
  if (unknown !== undefined)
    throw new Error(
      `there is no contestant \`${unknown}\`; there are ${contestants.map(({ name }) => name).join(', ')}`,
    )
  const chosen = new Set<string | undefined>(only)
  // A set gives what is added to it meanwhile too: what a needed one needs.
  for (const name of chosen) {
    const { base, sameHeaders, headersOf, before } = contestants.find((one) => one.name === name) ?? {}
    for (const needed of [base, sameHeaders, headersOf, before]) chosen.add(needed)
  }
  return contestants.filter(({ name }) => chosen.has(name))
}
