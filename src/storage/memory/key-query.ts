import type { KeyRecord } from '../../keys/record/key-record.ts'
import { keyStatusAt } from '../../keys/record/key-status.ts'
import type { OwnerRecord } from '../../keys/record/owner-record.ts'
import { type KeyCursor, sortValueOf } from '../../keys/store/cursors.ts'
import type { KeyPage, KeyQuery, OwnerPage, OwnerQuery } from '../../keys/store/key-store.ts'

/** One page of the keys, filtered and sorted as the query says. */
export function selectKeys(keys: Iterable<KeyRecord>, query: KeyQuery): KeyPage {
  const { sort, descending, limit, after } = query
  const start = after && (sort === 'id' ? { value: after.id, id: after.id } : after)
  const found = [...keys]
    .filter((key) => matches(key, query))
    .map((key) => ({ key, value: sortValueOf(key, sort), id: key.id }))
    .filter((place) => start === undefined || comparePlaces(place, start, descending) > 0)
    .sort((a, b) => comparePlaces(a, b, descending))
  return { keys: found.slice(0, limit).map(({ key }) => key), hasMore: found.length > limit }
}

export function selectOwners(owners: Iterable<OwnerRecord>, { limit, after }: OwnerQuery): OwnerPage {
  const found = [...owners]
    .filter(({ owner }) => after === undefined || compareText(owner, after) > 0)
    .sort((a, b) => compareText(a.owner, b.owner))
  return { owners: found.slice(0, limit), hasMore: found.length > limit }
}

/** Null last either way; ties by id in the same direction. */
function comparePlaces(a: KeyCursor, b: KeyCursor, isDescending: boolean): number {
  if ((a.value === null) !== (b.value === null)) return a.value === null ? 1 : -1
  const order = compareValues(a.value, b.value) || compareText(a.id, b.id)
  return isDescending ? -order : order
}

function compareValues(a: KeyCursor['value'], b: KeyCursor['value']): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return compareText(String(a), String(b))
}

/** By code points, as databases compare UTF-8; `<` puts U+10000 before U+E000. */
function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function matches(key: KeyRecord, query: KeyQuery): boolean {
  const { owner, environment, scope, status, nameContains, unusedSince } = query
  if (owner !== undefined && key.owner !== owner.toWellFormed()) return false
  if (environment !== undefined && key.environment !== environment) return false
  if (scope !== undefined && !key.scopes.includes(scope)) return false
  if (status !== undefined && keyStatusAt(key, status.now) !== status.is) return false
  if (unusedSince !== undefined && (key.lastUsedAt ?? key.createdAt) >= unusedSince) return false
  return nameContains === undefined || foldAscii(key.name).includes(foldAscii(nameContains))
}

function foldAscii(text: string): string {
  return text.toWellFormed().replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
