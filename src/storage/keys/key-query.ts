import type { KeyStatus } from '../../keys/record/key-status.ts'
import type { KeyQuery, KeySort } from '../../keys/store/key-store.ts'
import type { Cell } from '../../secrets/row-macs.ts'
import { readColumns } from './key-row.ts'

/**
 * A statement, or a part of one, and its values, each bound to a `?`. The text consists of
 * constants alone; callers' values are bound.
 */
export interface Selection {
  readonly sql: string
  readonly values: readonly Cell[]
}

/** What databases say differently. */
export interface KeyDialect {
  /** The table of keys. */
  readonly keys: string
  /** Keys that have this scope: the column `scopes` is a list in JSON. */
  readonly hasScope: (scope: string) => Selection
  /** Keys whose name contains this, ASCII letters in any case. */
  readonly nameContains: (part: string) => Selection
}

/** Where in a sort a key stands. */
export interface Place {
  readonly value: Cell
  readonly id: string
}

/** One walk along an index, from a place or from its beginning. */
export interface Walk {
  readonly start: Place | undefined
  /** The place `length` keys further, matching or not; no row if fewer follow. */
  readonly selectEnd: (start: Place | undefined, length: number) => Selection
  /**
   * The matching keys after `start`, up to and with `end`, or all that follow. LIMIT is bound last.
   */
  readonly selectKeys: (start: Place | undefined, end: Place | undefined) => Selection
}

const sortColumns: Readonly<Record<KeySort, string>> = {
  created_at: 'created_at',
  updated_at: 'updated_at',
  expires_at: 'expires_at',
  last_used_at: 'last_used_at',
  name: 'name',
  id: 'id',
}

/**
 * The walks of a listing, one after another. A time that may be null has two, the dated keys and
 * then the others: so both directions walk one index.
 */
export function walksOf(query: KeyQuery, dialect: KeyDialect): readonly Walk[] {
  const { sort, after } = query
  const column = sortColumns[sort]
  if (sort === 'id') return [createWalk(query, dialect, 'TRUE', undefined, after)]
  if (sort !== 'expires_at' && sort !== 'last_used_at')
    return [createWalk(query, dialect, 'TRUE', column, after)]
  const dated = createWalk(query, dialect, `${column} IS NOT NULL`, column, after)
  const undated = `${column} IS NULL`
  if (after?.value === null) return [createWalk(query, dialect, undated, undefined, after)]
  return [dated, createWalk(query, dialect, undated, undefined, undefined)]
}

/**
 * Whether few of the keys may match, so that a page may take reading all of them. An owner's keys
 * have an index of their own, and are sorted after they were found.
 */
export function mayMatchFew(query: KeyQuery): boolean {
  const { owner, environment, scope, status, nameContains, unusedSince } = query
  const filters = [environment, scope, status, nameContains, unusedSince]
  return owner === undefined && filters.some((part) => part !== undefined)
}

/** @param column what to walk along, before the id; undefined for the id alone */
function createWalk(
  query: KeyQuery,
  dialect: KeyDialect,
  range: string,
  column: string | undefined,
  start: Place | undefined,
): Walk {
  const direction = query.descending ? 'DESC' : 'ASC'
  const [beyond, upTo] = query.descending ? ['<', '>='] : ['>', '<=']
  const order = column === undefined ? `id ${direction}` : `${column} ${direction}, id ${direction}`
  const filters = filtersOf(query, dialect)
  const within: Selection = { sql: range, values: [] }

  function bound(operator: string, place: Place | undefined): Selection[] {
    if (place === undefined) return []
    if (column === undefined) return [{ sql: `id ${operator} ?`, values: [place.id] }]
    return [{ sql: `(${column}, id) ${operator} (?, ?)`, values: [place.value, place.id] }]
  }

  return {
    start,
    selectEnd: (from, length) => {
      const { sql, values } = whereOf([within, ...bound(beyond, from)])
      return {
        sql: `SELECT ${column ?? 'NULL'} AS value, id FROM ${dialect.keys} WHERE ${sql} ORDER BY ${order} LIMIT 1 OFFSET ?`,
        values: [...values, length - 1],
      }
    },
    selectKeys: (from, end) => {
      const { sql, values } = whereOf([within, ...bound(beyond, from), ...bound(upTo, end), ...filters])
      return {
        sql: `SELECT ${readColumns.join(', ')} FROM ${dialect.keys} WHERE ${sql} ORDER BY ${order} LIMIT ?`,
        values,
      }
    },
  }
}

function whereOf(conditions: readonly Selection[]): Selection {
  return {
    sql: conditions.map((condition) => `(${condition.sql})`).join(' AND '),
    values: conditions.flatMap((condition) => condition.values),
  }
}

function filtersOf(query: KeyQuery, dialect: KeyDialect): Selection[] {
  const conditions: Selection[] = []
  if (query.owner !== undefined) conditions.push({ sql: 'owner = ?', values: [query.owner] })
  if (query.environment !== undefined)
    conditions.push({ sql: 'environment = ?', values: [query.environment] })
  if (query.scope !== undefined) conditions.push(dialect.hasScope(query.scope))
  if (query.status !== undefined) conditions.push(statusCondition(query.status.is, query.status.now))
  if (query.unusedSince !== undefined)
    conditions.push({ sql: 'coalesce(last_used_at, created_at) < ?', values: [query.unusedSince] })
  if (query.nameContains !== undefined) conditions.push(dialect.nameContains(query.nameContains))
  return conditions
}

/** `keyStatusAt`, in SQL. */
function statusCondition(status: KeyStatus, now: number): Selection {
  const unrevoked = 'revoked_at IS NULL'
  const unexpired = `${unrevoked} AND (expires_at IS NULL OR expires_at > ?)`
  switch (status) {
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
