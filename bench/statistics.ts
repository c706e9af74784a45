/** The middle of some samples and how far they lie apart. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: medianOf(sorted), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

function medianOf(sorted: readonly number[]): number {
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN
  return (lower + upper) / 2
}

/**
 * The sample that this share (0…1) of all do not exceed: the nearest rank. Sorts the array it is
 * given.
 */
export function percentileOf(samples: Float64Array, share: number): number {
  samples.sort()
  return samples[Math.max(0, Math.ceil(samples.length * share) - 1)] ?? Number.NaN
}

/** `12.3 (11.9–12.8)` */
export function formatSpread({ median, min, max }: Spread, digits: number): string {
  return `${formatNumber(median, digits)} (${formatNumber(min, digits)}–${formatNumber(max, digits)})`
}

export function formatNumber(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
