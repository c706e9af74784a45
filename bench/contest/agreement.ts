import { spreadOf } from '../statistics.ts'

/** How far the turns of a bare server may lie apart for a verdict; its turns are all alike. */
export const agreementMax = 0.1
/** From so many turns on, one that the machine spoilt counts for nothing. */
const outlierFrom = 5

/**
 * How far samples of the same thing lie apart: most less least, over the median.
 *
 * Of five and more, the one farthest from the median is left out: a machine that was taken away for
 * a moment spoils one turn, and moves a median of ratios by next to nothing. Two such turns are a
 * noisy machine, and count.
 */
export function disagreementOf(samples: readonly number[]): number {
  const { median } = spreadOf(samples)
  const byDistance = samples.toSorted((a, b) => Math.abs(a - median) - Math.abs(b - median))
  const kept = spreadOf(samples.length < outlierFrom ? samples : byDistance.slice(0, -1))
  return (kept.max - kept.min) / median
}

/** Whether samples of a bare server agree well enough that others are judged against it. */
export function mayJudge(samples: readonly number[]): boolean {
  // One turn agrees with itself, and says nothing.
  return samples.length > 1 && disagreementOf(samples) <= agreementMax
}
