import { Refusal } from '../../../core/refusal.ts'
import { parseDuration } from '../../../core/time.ts'
import { withoutUndefined } from '../../../core/without-undefined.ts'
import type { KeyFields } from '../../../keys/fields/key-fields.ts'
import type { NewKey } from '../../../keys/fields/new-key.ts'
import { type KeyView, viewKey } from '../../../keys/record/views.ts'
import type { NewImportedKey } from '../../../keys/service/import-keys.ts'
import type { IssuedKey } from '../../../keys/service/issue-keys.ts'
import type { ForceOptions } from '../../../keys/service/key-service.ts'
import { parseKeyCursor } from '../../../keys/store/cursors.ts'
import type { KeyQuery, KeySort } from '../../../keys/store/key-store.ts'
import type {
  ForceQuery,
  ImportedKeyBody,
  KeyChangesBody,
  ListQuery,
  NewKeyBody,
  RotateBody,
} from './key-schemas.ts'

/** A new key's body, as the service takes it. */
export function readNewKey(body: NewKeyBody): NewKey {
  const { name, environment } = body
  return { ...readFields(body), name, ...withoutUndefined({ environment }) }
}

export function readImportedKeys(body: readonly ImportedKeyBody[]): readonly NewImportedKey[] {
  return body.map((key) => ({ ...readNewKey(key), sha256: key.sha256 }))
}

/** The fields that were sent; the others are not there. */
export function readFields(body: KeyChangesBody): Partial<KeyFields> {
  const { not_before: notBefore, expires_at: expiresAt, expires_in: expiresIn, ...same } = body
  const { name, owner, scopes, metadata, addresses, limits } = same
  return withoutUndefined({
    name,
    owner,
    scopes,
    metadata,
    addresses,
    limits,
    notBefore,
    expiresAt: expiresIn ?? expiresAt,
  })
}

/**
 * Does the work, and places what is wrong with the end of a key at the field that was sent for it.
 */
export async function blamingSent<T>(
  sent: KeyChangesBody | readonly KeyChangesBody[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof Refusal) || thrown.errors === undefined) throw thrown
    const errors = thrown.errors.map((error) => {
      const [, index] = error.loc
      const key = typeof index === 'number' ? [sent].flat()[index] : [sent].flat()[0]
      const isIn = error.loc.at(-1) === 'expires_at' && key?.expires_in !== undefined
      return isIn ? { ...error, loc: error.loc.with(-1, 'expires_in') } : error
    })
    throw new Refusal(thrown.code, thrown.message, { errors })
  }
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

/** How long the secret before goes on, in milliseconds; undefined where the body does not say. */
export function overlapOf(body: RotateBody): number | undefined {
  return body?.overlap === undefined ? undefined : (parseDuration(body.overlap) ?? 0)
}

export function isForced({ force }: ForceQuery): ForceOptions {
  return { force: force === 'true' }
}

/** A key with its text. @param now milliseconds since the epoch */
export function viewIssued({ record, text }: IssuedKey, now: number): KeyView & { readonly key: string } {
  return { ...viewKey(record, now), key: text }
}
