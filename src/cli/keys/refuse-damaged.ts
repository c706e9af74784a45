import { Fault } from '../../core/fault.ts'

/** Named at most, as in what `doctor` says. */
const namedMax = 10

/**
 * Ends a command that has done and printed what it could.
 *
 * @throws Fault `store_unavailable` if rows could not be read
 */
export function refuseDamaged(rows: ReadonlySet<string>): void {
  if (rows.size === 0) return
  const named = [...rows].slice(0, namedMax).join(', ')
  const more = rows.size > namedMax ? ` and ${rows.size - namedMax} more` : ''
  throw new Fault(
    'store_unavailable',
    `modelward.db: rows are not as they were written, or cannot be changed, and were left out: ${named}${more}; no key of them is admitted; modelward doctor names every such row`,
  )
}
