import { Refusal } from '../../../core/refusal.ts'
import { parseDuration } from '../../../core/time.ts'
import { withoutUndefined } from '../../../core/without-undefined.ts'
import { parseKeyCursor } from '../../../keys/cursors.ts'
import type { NewImportedKey } from '../../../keys/import-keys.ts'
import type { KeyFields } from '../../../keys/key-fields.ts'
import type { KeyQuery, KeySort } from '../../../keys/key-store.ts'
import type { NewKey } from '../../../keys/new-key.ts'
import type { ImportedKeyBody, KeyChangesBody, ListQuery, NewKeyBody } from './key-schemas.ts'

/** A new key's body, as the service takes it. */
export function readNewKey(body: NewKeyBody, now: number): NewKey {
  const { name, environment } = body
  return { ...readFields(body, now), name, ...withoutUndefined({ environment }) }
}

export function readImportedKeys(body: readonly ImportedKeyBody[], now: number): readonly NewImportedKey[] {
  return body.map((key) => ({ ...readNewKey(key, now), sha256: key.sha256 }))
}

/** The fields that were sent; the others are not there. */
export function readFields(body: KeyChangesBody, now: number): Partial<KeyFields> {
  const { not_before: notBefore, expires_at: expiresAt, expires_in: expiresIn, ...same } = body
  const { name, owner, scopes, metadata, addresses, limits } = same
  return withoutUndefined({
    name,
    owner,
    scopes,
    metadata,
    addresses,
    limits,
    notBefore: readTime(notBefore),
    expiresAt: expiresIn === undefined ? readTime(expiresAt) : now + (parseDuration(expiresIn) ?? 0),
  })
}

/** What a list asks the store. @throws Refusal `input_invalid` for a cursor of another order */
export function readKeyQuery(query: ListQuery, now: number): KeyQuery {
  const { limit, cursor, sort: order, status, name, owner, scope, environment, unused } = query
  const descending = order.startsWith('-')
  const sort = (descending ? order.slice(1) : order) as KeySort
  const after = cursor === undefined ? undefined : parseKeyCursor(cursor, sort)
  if (cursor !== undefined && after === undefined) {
    const msg = 'Expected the next_cursor of a page in this order'
    throw new Refusal('input_invalid', undefined, {
      errors: [{ loc: ['query', 'cursor'], msg, type: 'cursor' }],
    })
  }
  return {
    sort,
    descending,
    limit,
    after,
    owner,
    scope,
    environment,
    status: status && { is: status, now },
    nameContains: name,
    unusedSince: unused === undefined ? undefined : now - (parseDuration(unused) ?? 0),
  }
}

function readTime(text: string | null | undefined): number | null | undefined {
  return typeof text === 'string' ? Date.parse(text) : text
}
