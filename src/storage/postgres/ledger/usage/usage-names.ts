import { createUsageNames } from '../../../ledger/usage-names.ts'
import type { Query } from '../../postgres.ts'
import { bytesOf } from './usage-rows.ts'

/** Gives each route and model its place among the first, and `other` to those behind them. */
export interface NameBounds {
  readonly route: (text: string | null) => string | null
  readonly model: (text: string | null) => string | null
  /** Stores the names that are new. */
  readonly finish: () => Promise<void>
}

/** Within a transaction of the caller's. */
export async function createNameBounds(query: Query, schema: string): Promise<NameBounds> {
  const stored = await query<{ kind: string; text: Buffer }>(`SELECT kind, text FROM ${schema}.usage_name`)
  const learned: (readonly [kind: string, text: string])[] = []

  function bound(kind: string): (text: string | null) => string | null {
    const known = stored.flatMap((row) => (row.kind === kind ? row.text.toString() : []))
    const nameOf = createUsageNames(known, (text) => learned.push([kind, text]))
    return (text) => (text === null ? null : nameOf(text))
  }

  return {
    route: bound('route'),
    model: bound('model'),
    async finish() {
      if (learned.length === 0) return
      await query(
        `INSERT INTO ${schema}.usage_name SELECT kind, decode(text, 'hex') FROM unnest($1::text[], $2::text[]) AS n (kind, text)`,
        [learned.map(([kind]) => kind), learned.map(([, text]) => bytesOf(text).toString('hex'))],
      )
    },
  }
}
