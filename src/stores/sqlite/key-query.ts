import type { KeyQuery, KeySort } from '../../core/key-store.ts'
import type { Standing } from '../../core/standing.ts'
import type { SqlValue } from './database.ts'
import { keyColumns } from './key-row.ts'

/** A statement and what to bind. The text is put together from closed lists alone; whatever a caller gave is bound. */
export interface KeySelection {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

const sortColumns: Readonly<Record<KeySort, string>> = {
  created_at: 'created_at',
  updated_at: 'updated_at',
  expires_at: 'expires_at',
  name: 'name',
  id: 'id',
}

interface Condition {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

/**
 * The selections that give a page one after another, each with its own LIMIT to bind last. There are two under
 * `expires_at`, dated keys and then those that never expire: so both directions walk one index.
 */
export function selectKeys(query: KeyQuery): readonly KeySelection[] {
  const filters = filtersOf(query)
  const direction = query.descending ? 'DESC' : 'ASC'
  const beyond = query.descending ? '<' : '>'
  const { after } = query
  const byId: Condition[] = after === undefined ? [] : [{ sql: `id ${beyond} ?`, values: [after.id] }]
  if (query.sort === 'id') return [selection([...filters, ...byId], `id ${direction}`)]

  const column = sortColumns[query.sort]
  const order = `${column} ${direction}, id ${direction}`
  const byColumn: Condition[] =
    after === undefined ? [] : [{ sql: `(${column}, id) ${beyond} (?, ?)`, values: [after.value, after.id] }]
  if (query.sort !== 'expires_at') return [selection([...filters, ...byColumn], order)]

  const isDated: Condition = { sql: 'expires_at IS NOT NULL', values: [] }
  const isUndated: Condition = { sql: 'expires_at IS NULL', values: [] }
  if (after?.value === null) return [selection([...filters, isUndated, ...byId], `id ${direction}`)]
  return [
    selection([...filters, isDated, ...byColumn], order),
    selection([...filters, isUndated], `id ${direction}`),
  ]
}

function selection(conditions: readonly Condition[], order: string): KeySelection {
  const where = conditions.map((condition) => `(${condition.sql})`).join(' AND ') || 'TRUE'
  return {
    sql: `SELECT ${keyColumns.join(', ')} FROM keys WHERE ${where} ORDER BY ${order} LIMIT ?`,
    values: conditions.flatMap((condition) => condition.values),
  }
}

function filtersOf(query: KeyQuery): Condition[] {
  const conditions: Condition[] = []
  if (query.owner !== undefined) conditions.push({ sql: 'owner = ?', values: [query.owner] })
  if (query.environment !== undefined)
    conditions.push({ sql: 'environment = ?', values: [query.environment] })
  if (query.scope !== undefined)
    conditions.push({
      // The first half is a superset of the second, and spares most rows the parsing.
      sql: 'instr(scopes, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(scopes) WHERE value = ?)',
      values: [JSON.stringify(query.scope), query.scope],
    })
  if (query.standing !== undefined) conditions.push(standingCondition(query.standing.is, query.standing.now))
  // lower() folds ASCII alone, and instr() knows no wildcards.
  if (query.nameContains !== undefined)
    conditions.push({ sql: 'instr(lower(name), lower(?)) > 0', values: [query.nameContains] })
  return conditions
}

/** `standingOf`, in SQL. */
function standingCondition(standing: Standing, now: number): Condition {
  const unrevoked = 'revoked_at IS NULL'
  const unexpired = `${unrevoked} AND (expires_at IS NULL OR expires_at > ?)`
  switch (standing) {
    case 'revoked':
      return { sql: 'revoked_at IS NOT NULL', values: [] }
    case 'expired':
      return { sql: `${unrevoked} AND expires_at <= ?`, values: [now] }
    case 'disabled':
      return { sql: `${unexpired} AND disabled_at IS NOT NULL`, values: [now] }
    case 'not_yet_valid':
      return { sql: `${unexpired} AND disabled_at IS NULL AND not_before > ?`, values: [now, now] }
    case 'active':
      return {
        sql: `${unexpired} AND disabled_at IS NULL AND (not_before IS NULL OR not_before <= ?)`,
        values: [now, now],
      }
  }
}
