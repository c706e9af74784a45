import { otherName } from '../../core/closed-names.ts'
import { ledgerMeasuresMax } from './encoding.ts'
import type { LedgerEntry } from './record.ts'

/**
 * As many measures as a record has, the first ones; the amounts of all others are one sum, `other`,
 * as they are in usage.
 */
export function boundMeasures(measures: LedgerEntry['measures']): LedgerEntry['measures'] {
  if (Object.keys(measures).length <= ledgerMeasuresMax) return measures
  const entries = Object.entries(measures)
  const bounded = new Map(entries.slice(0, ledgerMeasuresMax - 1))
  const others = entries.slice(ledgerMeasuresMax - 1).reduce((sum, [, amount]) => sum + amount, 0)
  bounded.set(otherName, Math.min((bounded.get(otherName) ?? 0) + others, Number.MAX_SAFE_INTEGER))
  return Object.fromEntries(bounded)
}
