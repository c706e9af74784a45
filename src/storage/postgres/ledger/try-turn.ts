import type { Query } from '../postgres.ts'

/**
 * Takes a turn at work that one node does for all, until the transaction ends; false if another
 * node has it.
 */
export async function tryTurn(query: Query, schema: string, work: string): Promise<boolean> {
  const [found] = await query<{ taken: boolean }>(
    'SELECT pg_try_advisory_xact_lock(hashtextextended($1::text, 0)) AS taken',
    [`modelward ${schema} ledger ${work}`],
  )
  return found?.taken === true
}
