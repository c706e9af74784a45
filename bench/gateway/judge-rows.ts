import type { Target } from '../bench.ts'
import { mayJudge, turnsMin } from '../contest/agreement.ts'
import { formatSpread, spreadOf } from '../statistics.ts'

/** A promise about a figure that is the less the better. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly most: number
  /** One a round. */
  readonly samples: readonly number[]
  /**
   * The same figure of a bare peer in the same rounds, which are all alike: where these do not
   * agree the machine is busy, and nothing is judged. @default the row is no matter of speed
   */
  readonly steadyBy?: readonly number[]
  readonly digits?: number
}

/** No row where it was not measured. */
export function judgeRow({ name, unit, most, samples, steadyBy, digits = 2 }: Row): readonly Target[] {
  if (samples.length === 0) return []
  const spread = spreadOf(samples)
  const isSteady = steadyBy === undefined || mayJudge(steadyBy)
  return [
    {
      name,
      wanted: `≤ ${most} ${unit}`.trimEnd(),
      measured: `${formatSpread(spread, digits)} ${unit}`.trimEnd(),
      isMet: isSteady ? isWithin(samples, most, steadyBy === undefined) : undefined,
    },
  ]
}

/**
 * Whether the median is within the promise, where enough rounds agree on that: all of them but one.
 *
 * @param byOneRound whether a single round tells enough, as with memory
 */
function isWithin(samples: readonly number[], most: number, byOneRound: boolean): boolean | undefined {
  if (!byOneRound && samples.length < turnsMin) return undefined
  const within = samples.filter((sample) => sample <= most).length
  if (within >= samples.length - 1 && spreadOf(samples).median <= most) return true
  return within <= 1 && spreadOf(samples).median > most ? false : undefined
}
