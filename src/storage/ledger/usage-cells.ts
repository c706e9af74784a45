import type { UsageSubject } from '../../ledger/query/usage.ts'
import {
  addMeasure,
  addRefused,
  createUsageCounts,
  type UsageCounts,
} from '../../ledger/query/usage-counts.ts'

/** Usage is kept by hour and by day (milliseconds), so that a sum of months reads few rows. */
export const usageWidths = [3_600_000, 86_400_000] as const
export type UsageWidth = (typeof usageWidths)[number]

/**
 * All routes and models of a key, in an hour or a day, are `other` beyond so many rows. A key has
 * one owner, unless an administrator changes it: with the number of keys, rows have a bound.
 */
export const rowsOfKeyMax = 1_000
export { otherName } from '../../core/closed-names.ts'

/** Usage of one subject in one hour. */
export interface UsageGroupCounts {
  /** `at` is when the hour begins. */
  readonly subject: UsageSubject
  readonly counts: UsageCounts
}

/** Usage of a row as it is stored. */
export type CountCells = readonly [
  requests: number,
  admitted: number,
  operational: number,
  lastUsedAt: number,
  refused: string,
  measures: string,
  latencies: string,
]

/** Two rows of one subject as one. */
export function sumOfCells(one: CountCells, other: CountCells): CountCells {
  const sum = createUsageCounts()
  addCells(sum, one)
  addCells(sum, other)
  return cellsOf(sum)
}

/** A forged record may count for more than an integer of a database that can be read again. */
const countOf = (value: number): number => Math.min(value, Number.MAX_SAFE_INTEGER)

/** Counts as they are stored. */
export function cellsOf(counts: UsageCounts): CountCells {
  return [
    countOf(counts.requests),
    countOf(counts.admitted),
    countOf(counts.operational),
    counts.lastUsedAt,
    textOf(counts.refused),
    textOf(counts.measures),
    counts.latenciesUs.encode(),
  ]
}

/** Adds what is stored. */
export function addCells(counts: UsageCounts, cells: CountCells): void {
  const [requests, admitted, operational, lastUsedAt, refused, measures, latencies] = cells
  counts.requests += requests
  counts.admitted += admitted
  counts.operational += operational
  counts.lastUsedAt = Math.max(counts.lastUsedAt, lastUsedAt)
  for (const [code, count] of pairsOf(refused)) addRefused(counts, code, count)
  for (const [name, amount] of pairsOf(measures)) addMeasure(counts, name, amount)
  counts.latenciesUs.addEncoded(latencies)
}

/** Pairs as JSON, without the brackets around them. */
function textOf(sums: ReadonlyMap<string, number>): string {
  return JSON.stringify([...sums]).slice(1, -1)
}

/** Undoes that. */
export function pairsOf(text: string): readonly (readonly [name: string, amount: number])[] {
  return text === '' ? [] : JSON.parse(`[${text}]`)
}
