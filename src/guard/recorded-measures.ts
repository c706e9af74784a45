import { ledgerMeasuresMax } from '../ledger/format/encoding.ts'
import type { Costs } from '../limits/costs.ts'
import { noUsage, type Usage } from '../limits/usage.ts'

const oneRequest: Costs = { requests: 1 }

/**
 * What the record of an admitted request says that it used. No customer is charged for one that is
 * operational: its record names no requests.
 */
export function recordedMeasures(usage: Usage, isBillable: boolean): Costs {
  if (!isBillable) return withoutRequests(usage.used)
  return usage === noUsage ? oneRequest : asRecorded({ requests: 1, ...usage.used })
}

function withoutRequests({ requests: _, ...rest }: Costs): Costs {
  return asRecorded(rest)
}

function asRecorded(used: Costs): Costs {
  const names = Object.keys(used)
  return names.length <= ledgerMeasuresMax
    ? used
    : Object.fromEntries(Object.entries(used).slice(0, ledgerMeasuresMax))
}
