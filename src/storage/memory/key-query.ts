import type { KeyRecord } from '../../keys/key-record.ts'
import type { KeyPage, KeyQuery, KeySort } from '../../keys/key-store.ts'
import { standingOf } from '../../keys/standing.ts'
import { compareText } from './compare-text.ts'

type SortValue = string | number | null

const sortValues: Readonly<Record<KeySort, (key: KeyRecord) => SortValue>> = {
  created_at: (key) => key.createdAt,
  updated_at: (key) => key.updatedAt,
  expires_at: (key) => key.expiresAt,
  name: (key) => key.name,
  id: (key) => key.id,
}

/** One page of the keys, filtered and sorted as asked. */
export function selectKeys(keys: readonly KeyRecord[], query: KeyQuery): KeyPage {
  const sortValue = sortValues[query.sort]
  const compare = (a: Place, b: Place): number => comparePlaces(a, b, query.descending)
  const { after } = query
  const start =
    after === undefined ? undefined : { value: query.sort === 'id' ? after.id : after.value, id: after.id }
  const found = keys
    .filter((key) => matches(key, query))
    .map((key) => ({ key, value: sortValue(key), id: key.id }))
    .filter((place) => start === undefined || compare(place, start) > 0)
    .sort(compare)
  return {
    keys: found.slice(0, query.limit).map((place) => place.key),
    hasMore: found.length > query.limit,
  }
}

interface Place {
  readonly value: SortValue
  readonly id: string
}

/** Null last either way; ties by id in the same direction. */
function comparePlaces(a: Place, b: Place, isDescending: boolean): number {
  if ((a.value === null) !== (b.value === null)) return a.value === null ? 1 : -1
  const order = compareValues(a.value, b.value) || compareText(a.id, b.id)
  return isDescending ? -order : order
}

function compareValues(a: SortValue, b: SortValue): number {
  if (a === b) return 0
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return compareText(String(a), String(b))
}

function matches(key: KeyRecord, query: KeyQuery): boolean {
  if (query.owner !== undefined && key.owner !== query.owner.toWellFormed()) return false
  if (query.environment !== undefined && key.environment !== query.environment) return false
  if (query.scope !== undefined && !key.scopes.includes(query.scope)) return false
  if (query.standing !== undefined && standingOf(key, query.standing.now) !== query.standing.is) return false
  return query.nameContains === undefined || foldAscii(key.name).includes(foldAscii(query.nameContains))
}

function foldAscii(text: string): string {
  return text.toWellFormed().replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
