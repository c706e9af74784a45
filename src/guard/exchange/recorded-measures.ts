import { boundMeasures } from '../../ledger/format/bound-measures.ts'
import type { Costs } from '../../limits/usage/costs.ts'
import { noUsage, type Usage } from '../../limits/usage/usage.ts'

const oneRequest: Costs = { requests: 1 }

/** Another name for a measure that no limit counts, for its record. */
export type NameMeasure = (measure: string) => string

/**
 * What the record of an admitted request says that it used. No customer is charged for one that is
 * operational: its record names no requests.
 */
export function recordedMeasures(usage: Usage, isBillable: boolean, nameOf?: NameMeasure): Costs {
  if (isBillable && usage === noUsage) return oneRequest
  const used = nameOf === undefined ? usage.used : renamed(usage, nameOf)
  return boundMeasures(isBillable ? { requests: 1, ...used } : withoutRequests(used))
}

function withoutRequests({ requests: _, ...rest }: Costs): Costs {
  return rest
}

function renamed(usage: Usage, nameOf: NameMeasure): Costs {
  const sums = new Map<string, number>()
  for (const [measure, amount] of Object.entries(usage.used)) {
    const name = measure === 'requests' || usage.counts(measure) ? measure : nameOf(measure)
    sums.set(name, (sums.get(name) ?? 0) + amount)
  }
  return Object.fromEntries(sums)
}
