import type { Table } from './table.ts'

/** What a run may be told on the command line. Undefined: the benchmark's own default. */
export interface BenchOptions {
  /** Length of one turn of load. */
  readonly seconds: number | undefined
  readonly rounds: number | undefined
  /** Keys in the large store, or with a limit in use. */
  readonly keys: number | undefined
  /** Records in a ledger that is searched. */
  readonly records: number | undefined
  /** Jobs of each phase. */
  readonly jobs: number | undefined
  /** Contestants to leave out all others for, by name. */
  readonly only: readonly string[] | undefined
  /** What the core of the load generator does between two answers. @default both, in turns */
  readonly load?: 'blocking' | 'spinning' | 'both' | undefined
  /** Another checkout, measured in the same rounds. */
  readonly against?: string | undefined
  /** Fewer rows and shorter rounds. */
  readonly quick?: boolean | undefined
}

/** What was promised, and what was measured. */
export interface Target {
  readonly name: string
  readonly wanted: string
  readonly measured: string
  /** Undefined: the run was too unsteady to tell. */
  readonly isMet: boolean | undefined
}

export interface BenchResult {
  readonly name: string
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
  /** What a reader must know to read the figures right. */
  readonly notes: readonly string[]
  /** Every sample, for other statistics. */
  readonly samples: Readonly<Record<string, unknown>>
}

/** @param tell says how far it is; never on standard output */
export type Bench = (options: BenchOptions, tell: (message: string) => void) => Promise<BenchResult>
