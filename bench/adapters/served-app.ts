import { parseArgs } from 'node:util'
import { openModelward, type Ward } from '../../src/index.ts'

/**
 * What is put in front of the route: `headers` sends those of Modelward's answer, `empty` is what
 * the framework itself takes for a guard that looks at nothing.
 */
export type Guard = (typeof guards)[number]

const guards = ['none', 'headers', 'empty', 'modelward', 'peer'] as const

/** What a server of this benchmark is started with. */
export interface Served {
  readonly port: number
  /** The one key that the peers know. */
  readonly key: string
  readonly guard: Guard
}

export function readServed(): Served {
  const { BENCH_PORT, BENCH_KEY = '' } = process.env
  const { positionals } = parseArgs({ allowPositionals: true })
  const guard = guards.find((one) => one === positionals[0])
  if (guard === undefined) throw new Error(`expected ${guards.join(', ')}, got ${positionals[0]}`)
  return { port: Number(BENCH_PORT), key: BENCH_KEY, guard }
}

/**
 * The ward over the data folder that the key is in: the guard alone, for the peers keep no record.
 */
export function openWard(): Promise<Ward<true>> {
  const { BENCH_DATA = '' } = process.env
  return openModelward({ data: BENCH_DATA, create: false, ledgerMode: 'none' })
}

/** A model that costs nothing, so that it hides nothing of what a guard costs. */
export function predict(text: string): { readonly sentiment: string; readonly characters: number } {
  return { sentiment: text.includes('love') ? 'positive' : 'neutral', characters: text.length }
}
