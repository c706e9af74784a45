import { Refusal, type RefusalCode } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import { type KeyStatus, keyStatusAt } from '../keys/key-status.ts'
import { allScopes, anyScopes, type Demand } from './demand.ts'
import type { VerifiedKey } from './verified-key.ts'

const codeOf: Readonly<Record<Exclude<KeyStatus, 'active'>, RefusalCode>> = {
  disabled: 'key_disabled',
  not_yet_valid: 'key_not_yet_valid',
  expired: 'key_expired',
  revoked: 'key_revoked',
}

/** Refuses a key that is not active now, and a secret whose overlap after a rotation has ended. */
export function checkStatus({ record, secret }: VerifiedKey, now: number): Refusal | undefined {
  const status = keyStatusAt(record, now)
  if (status !== 'active') return new Refusal(codeOf[status])
  if (secret.endsAt !== null && now >= secret.endsAt)
    return new Refusal('key_expired', 'This API key was replaced by a newer one.', { reason: 'replaced' })
  return undefined
}

/** Refuses a client outside the key's addresses, and an unknown one where the key has any. */
export function checkAddress({ addresses }: VerifiedKey, head: RequestHead): Refusal | undefined {
  return addresses === undefined || addresses.has(head.address) ? undefined : new Refusal('address_denied')
}

/** Refuses a key without the scopes that the demand asks for, and an admin key where it asks for none. */
export function checkScope({ record, isAdmin }: VerifiedKey, demand: Demand): Refusal | undefined {
  const { scope = [] } = demand.needs === undefined ? demand : { scope: allScopes(demand) }
  const missing = findMissing(scope, record.scopes) ?? findMissingAny(demand, record.scopes)
  const isForModels = scope.length === 0 && demand.anyScope === undefined && demand.anyKey !== true
  // The same words whichever guard comes first, the whole app's or the route's.
  if (isAdmin && (missing !== undefined || isForModels))
    return new Refusal('scope_missing', 'An admin key works on admin routes only.')
  if (missing === undefined) return undefined
  const wanted = missing.map((name) => `\`${name}\``).join(' or ')
  return new Refusal('scope_missing', `This API key lacks the scope ${wanted}.`)
}

/** A list of which the key must have one scope and has none. */
function findMissingAny(demand: Demand, held: readonly string[]): readonly string[] | undefined {
  const { anyScope, needs } = demand
  if (needs !== undefined)
    return anyScopes(demand).find((anyOf) => !anyOf.some((scope) => held.includes(scope)))
  return anyScope === undefined || anyScope.some((scope) => held.includes(scope)) ? undefined : anyScope
}

/** The first scope that the key does not have, alone. */
function findMissing(
  wanted: string | readonly string[],
  held: readonly string[],
): readonly [string] | undefined {
  const names = typeof wanted === 'string' ? [wanted] : wanted
  const missing = names.find((scope) => !held.includes(scope))
  return missing === undefined ? undefined : [missing]
}
