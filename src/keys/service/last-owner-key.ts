import { Refusal } from '../../core/refusal.ts'
import { keysOwnerScope } from '../../core/scope.ts'
import type { KeyRecord } from '../record/key-record.ts'
import { keyStatusAt } from '../record/key-status.ts'
import type { KeyStore, KeyVersion } from '../store/key-store.ts'

/**
 * Whether a change takes from its owner an active key that manages its keys, at once or by an
 * earlier end.
 *
 * @param now milliseconds since the epoch
 */
export function losesOwnerKey(before: KeyRecord, after: KeyRecord, now: number): boolean {
  if (!manages(before, now)) return false
  return !manages(after, now) || endOf(after) < endOf(before)
}

/**
 * Another active key that manages this owner's keys on the same servers.
 *
 * @param now milliseconds since the epoch
 * @throws Refusal `key_conflict` if there is no other
 * @throws Fault `store_unavailable`
 */
export async function findOtherOwnerKey(
  store: Pick<KeyStore, 'listKeys'>,
  { id, owner, environment }: KeyRecord,
  now: number,
): Promise<KeyVersion> {
  const { keys } = await store.listKeys({
    owner,
    environment,
    scope: keysOwnerScope,
    status: { is: 'active', now },
    sort: 'id',
    descending: false,
    // It may be one of the two itself.
    limit: 2,
  })
  const other = keys.find((key) => key.id !== id)
  if (other !== undefined) return other
  throw new Refusal(
    'key_conflict',
    `This is the last active key of its owner with the scope \`${keysOwnerScope}\`: no other could make or end the owner’s keys. Send \`?force=true\` to do it all the same.`,
  )
}

function manages(key: KeyRecord, now: number): boolean {
  return key.scopes.includes(keysOwnerScope) && keyStatusAt(key, now) === 'active'
}

function endOf({ expiresAt }: KeyRecord): number {
  return expiresAt ?? Number.POSITIVE_INFINITY
}
