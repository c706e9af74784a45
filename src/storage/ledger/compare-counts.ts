import { measuresMax } from '../../ledger/query/usage-counts.ts'
import { type CountCells, pairsOf } from './usage-cells.ts'

/**
 * How the sums of a row differ, one of them as a clause; undefined if they do not.
 *
 * @param isPartial whether the stored sums may be larger
 */
export function differenceOf(
  stored: CountCells,
  recomputed: CountCells,
  isPartial: boolean,
): string | undefined {
  if (stored.every((cell, index) => cell === recomputed[index])) return undefined
  const sums = sumsOf(stored)
  const wanted = sumsOf(recomputed)
  if (sums === undefined || wanted === undefined) return 'refusals or measures are stored that are no list'
  // Which names were the first, and so are not `other`, depends on how often rows were written.
  const areFolded = [sums, wanted].some(({ measures }) => measures.size >= measuresMax)
  const difference =
    amountDiffers(sums.numbers, wanted.numbers, isPartial) ??
    amountDiffers(sums.refused, wanted.refused, isPartial) ??
    (areFolded
      ? amountDiffers(totalOf(sums.measures), totalOf(wanted.measures), isPartial)
      : amountDiffers(sums.measures, wanted.measures, isPartial))
  if (difference !== undefined || isPartial || stored[latencies] === recomputed[latencies]) return difference
  return 'its latencies are not those of its records'
}

/** The place of the histogram, the last of the cells: one text for each histogram. */
const latencies = 6

type Amounts = ReadonlyMap<string, number>

interface Sums {
  readonly numbers: Amounts
  readonly refused: Amounts
  readonly measures: Amounts
}

function sumsOf([requests, admitted, operational, lastUsedAt, refused, measures]: CountCells):
  | Sums
  | undefined {
  const ofCodes = amountsOf(refused, 'refused with ')
  const ofMeasures = amountsOf(measures, 'measure ')
  if (ofCodes === undefined || ofMeasures === undefined) return undefined
  const numbers = Object.entries({ requests, admitted, operational, 'last used at': lastUsedAt })
  return { numbers: new Map(numbers), refused: ofCodes, measures: ofMeasures }
}

/** By name; undefined for a text that the roll-up does not write. */
function amountsOf(text: string, prefix: string): Amounts | undefined {
  try {
    return new Map(pairsOf(text).map(([name, amount]) => [`${prefix}${name}`, amount]))
  } catch {
    return undefined
  }
}

function totalOf(amounts: Amounts): Amounts {
  return new Map([['measures in all', [...amounts.values()].reduce((sum, amount) => sum + amount, 0)]])
}

function amountDiffers(stored: Amounts, recomputed: Amounts, isPartial: boolean): string | undefined {
  for (const name of new Set([...stored.keys(), ...recomputed.keys()])) {
    const amount = stored.get(name) ?? 0
    const wanted = recomputed.get(name) ?? 0
    if (isPartial ? amount >= wanted : isSame(amount, wanted)) continue
    return `${name} is stored as ${amount}, and ${wanted} by the records`
  }
  return undefined
}

/** Beyond 2^53 a sum depends on the order of its parts. */
function isSame(one: number, other: number): boolean {
  if (one === other) return true
  const [less, more] = [Math.min(one, other), Math.max(one, other)]
  return less > Number.MAX_SAFE_INTEGER && (more - less) / more < 1e-9
}
