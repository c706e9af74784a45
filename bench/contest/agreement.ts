import { spreadOf } from '../statistics.ts'

/** How far the turns of a bare server, which are all alike, may lie apart for a verdict. */
export const agreementMax = 0.1
/** Fewer agree by chance, even on a machine that does other work. */
export const turnsMin = 5

/**
 * How far samples of the same thing lie apart: most less least, over the median.
 *
 * The one farthest from the median is left out: a machine that was taken away for a moment spoils
 * one turn, and moves a median of ratios by next to nothing. Two such turns count.
 */
export function disagreementOf(samples: readonly number[]): number {
  const { median } = spreadOf(samples)
  const byDistance = samples.toSorted((a, b) => Math.abs(a - median) - Math.abs(b - median))
  const { min, max } = spreadOf(byDistance.slice(0, -1))
  return (max - min) / median
}

/** Whether turns of a bare server agree well enough that others are judged against it. */
export function mayJudge(samples: readonly number[]): boolean {
  return samples.length >= turnsMin && disagreementOf(samples) <= agreementMax
}
