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

/** A server that is measured. */
export interface Contestant {
  readonly name: string
  readonly describes: string
  /** Name of the contestant that it is measured against, which may be its own. */
  readonly base: string
  /** Why it cannot take part on this machine. */
  readonly missing?: string
  readonly command: (place: Place) => readonly [string, ...string[]]
  /** The header that carries the key; undefined where none is asked for. */
  readonly keyHeader: ((key: string) => { readonly name: string; readonly value: string }) | undefined
  /** What the key may use: never so little that it is refused. @default none */
  readonly keyLimit?: string
  /** Whether the answer must be the same as all others', value by value. */
  readonly hasSameModel: boolean
  /** Whether it writes a line a request, or more; seen to before it is measured. */
  readonly logsRequests: boolean
}

/** The command line's program. */
export const main: string = join(repositoryFolder, 'src/cli/main.ts')

export const apiKeyHeader = (value: string): { name: string; value: string } => ({ name: 'X-API-Key', value })
export const bearerHeader = (key: string): { name: string; value: string } => ({
  name: 'Authorization',
  value: `Bearer ${key}`,
})

/** Makes a data folder with a key, as a user would; gives the key. */
export function createKey(data: string, limit: string): string {
  const args = [main, 'keys', 'create', '--name', 'bench', '--limit', limit, '--data', data, '--json']
  const { key } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as {
    readonly key: string
  }
  return key
}
