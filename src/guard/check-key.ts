import { Refusal, type RefusalCode } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import { hasScope } from '../core/scope.ts'
import type { Clock } from '../core/time.ts'
import { type KeyStatus, keyStatusAt } from '../keys/record/key-status.ts'
import type { KeyStore } from '../keys/store/key-store.ts'
import { allScopes, anyScopes, type Demand } from './demand.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { VerifiedKey } from './key-cache.ts'
import type { KeyRefusals } from './key-refusals.ts'

/** Status, address and scopes of a key, in this order. */
export function checkKey(
  { refusals }: { readonly refusals: KeyRefusals },
  key: VerifiedKey,
  head: RequestHead,
  demand: Demand,
  now: number,
): Refusal | undefined {
  const inactive = checkStatus(key, now)
  if (inactive !== undefined) return refusals.inactive(inactive, head)
  return checkAddress(key, head) ?? checkScope(key, demand)
}

/** Status of the key that a request was admitted with, as it is stored now. */
export async function checkAgain(
  { store, clock }: { readonly store: KeyStore; readonly clock: Clock },
  { known, secret }: Exchange,
): Promise<Refusal | undefined> {
  if (known === null || secret === undefined) return undefined
  const record = await store.findKey(known.keyId)
  // A key is never deleted; what cannot be found was restored away.
  return record === undefined
    ? new Refusal('key_revoked')
    : checkStatus(
        { record, secret: record.secrets.find(({ createdAt }) => createdAt === secret.createdAt) ?? secret },
        clock(),
      )
}

/** Whether a key is revoked or disabled, as it is stored now: its calls are not to go on. */
export async function checkRevoked(
  { store, clock }: { readonly store: KeyStore; readonly clock: Clock },
  keyId: string,
): Promise<Refusal | undefined> {
  const record = await store.findKey(keyId)
  // A key is never deleted; what cannot be found was restored away.
  const status = record === undefined ? 'revoked' : keyStatusAt(record, clock())
  return status === 'revoked' || status === 'disabled' ? new Refusal(codeOf[status]) : undefined
}

const codeOf: Readonly<Record<Exclude<KeyStatus, 'active'>, RefusalCode>> = {
  disabled: 'key_disabled',
  not_yet_valid: 'key_not_yet_valid',
  expired: 'key_expired',
  revoked: 'key_revoked',
}

/** Refuses a key that is not active now, and a secret whose overlap after a rotation has ended. */
function checkStatus(
  { record, secret }: Pick<VerifiedKey, 'record' | 'secret'>,
  now: number,
): Refusal | undefined {
  const status = keyStatusAt(record, now)
  if (status !== 'active') return new Refusal(codeOf[status])
  if (secret.endsAt !== null && now >= secret.endsAt)
    return new Refusal('key_expired', 'This API key was replaced by a newer one.', { reason: 'replaced' })
  return undefined
}

/** Refuses a client outside the key's addresses, and an unknown one where the key has any. */
function checkAddress({ addresses }: VerifiedKey, head: RequestHead): Refusal | undefined {
  return addresses === undefined || addresses.has(head.address) ? undefined : new Refusal('address_denied')
}

/**
 * Refuses a key without the scopes that the demand asks for, and an admin key where it asks for
 * none.
 */
function checkScope({ record, isAdmin }: VerifiedKey, demand: Demand): Refusal | undefined {
  const missing = findMissing(demand, record.scopes)
  // The same words whichever guard comes first, the whole app's or the route's.
  if (isAdmin && (missing !== undefined || isForModels(demand)))
    return new Refusal('scope_missing', 'An admin key works on admin routes only.')
  if (missing === undefined) return undefined
  const wanted = missing.map((name) => `\`${name}\``).join(' or ')
  return new Refusal('scope_missing', `This API key lacks the scope ${wanted}.`)
}

/**
 * The first scope that the key lacks, alone; else a list of which it must have one, and lacks all.
 */
function findMissing(demand: Demand, owned: readonly string[]): readonly string[] | undefined {
  const { scope, anyScope, needs } = demand
  if (typeof scope === 'string' && needs === undefined) {
    if (!owned.includes(scope)) return [scope]
  } else if (scope !== undefined || needs !== undefined) {
    for (const name of allScopes(demand)) if (!owned.includes(name)) return [name]
  }
  if (needs !== undefined)
    return anyScopes(demand).find((anyOf) => !anyOf.some((name) => hasScope(owned, name)))
  for (const name of anyScope ?? []) if (hasScope(owned, name)) return undefined
  return anyScope
}

function isForModels(demand: Demand): boolean {
  return allScopes(demand).length === 0 && demand.anyScope === undefined && demand.anyKey !== true
}
