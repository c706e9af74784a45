import { formatCsvRow } from './csv.ts'
import type { UsageView } from './usage-view.ts'

/** The columns before those of measures, in this order for good. */
const columns = [
  'period',
  'owner',
  'key_id',
  'key_name',
  'route',
  'model',
  'requests',
  'refused',
] as const satisfies readonly (keyof UsageView | 'period')[]

/**
 * What customers are charged for, as CSV (RFC 4180) with a header: a row for each that has used
 * something, then a column for each measure, by name. The period is the day, else the month. Null
 * is an empty field; a text that begins like a formula is escaped as in the ledger's CSV.
 */
export function formatUsageCsv(views: readonly UsageView[]): string {
  const billable = views.filter((view) => view.requests > 0 || refusedOf(view) > 0)
  const measures = [...new Set(billable.flatMap((view) => Object.keys(view.measures)))]
    .filter((name) => name !== 'requests')
    .toSorted()
  const rows = billable.map((view) => {
    const known = { ...view, period: view.day ?? view.month, refused: refusedOf(view) }
    const amounts = new Map(Object.entries(view.measures))
    return [...columns.map((column) => known[column]), ...measures.map((name) => amounts.get(name) ?? 0)]
  })
  return [[...columns, ...measures], ...rows].map(formatCsvRow).join('')
}

function refusedOf({ refused }: UsageView): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0)
}
