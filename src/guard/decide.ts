import { isDeepStrictEqual } from 'node:util'
import { after } from '../core/after.ts'
import { Fault } from '../core/fault.ts'
import { asError } from '../core/problem.ts'
import { Refusal, type RefusalCode } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import { type Standing, standingOf } from '../keys/standing.ts'
import type { TakeLimits } from '../limits/take-limits.ts'
import type { Usage } from '../limits/usage.ts'
import { allScopes, anyScopes } from './all-scopes.ts'
import type { Caller } from './caller.ts'
import type { Demand } from './demand.ts'
import type { Exchange } from './exchange.ts'
import type { Verdict } from './verdict.ts'
import type { VerifiedKey } from './verified-key.ts'

/**
 * The second half of a request's way, for a key whose secret has matched and who may therefore be told what is wrong:
 * `checkStanding`, `checkAddress`, `checkScope`, `takeLimits`, then the route's own check. At once where the limiter is and the
 * route has no check: a promise for each request would cost more than all of it.
 */
export function decide(
  key: VerifiedKey,
  exchange: Exchange,
  demand: Demand,
  now: number,
  takeLimits: TakeLimits,
): Verdict | Promise<Verdict> {
  const { caller } = key
  const refusal = checkKey(key, exchange.head, demand, now)
  if (refusal !== undefined) return { admitted: false, refusal, caller }
  return after(takeLimits(exchange, key.usesUnder(demand)), (usage) => {
    if (usage instanceof Refusal) return { admitted: false, refusal: usage, caller }
    if (demand.check === undefined && demand.needs === undefined) return { admitted: true, caller, usage }
    return runChecks(usage, caller, exchange, demand)
  })
}

/** What forbids a key to be used here and now, whatever is left of its limits. */
export function checkKey(
  key: VerifiedKey,
  head: RequestHead,
  demand: Demand,
  now: number,
): Refusal | undefined {
  return checkStanding(key, now) ?? checkAddress(key, head) ?? checkScope(key, demand)
}

async function runChecks(usage: Usage, caller: Caller, exchange: Exchange, demand: Demand): Promise<Verdict> {
  try {
    await checkOnce(caller, exchange, demand)
    return { admitted: true, caller, usage }
  } catch (thrown) {
    // A refused request consumes nothing, and one that broke was not served.
    await usage.giveBack()
    if (thrown instanceof Refusal) return { admitted: false, refusal: thrown, caller }
    throw asError(thrown)
  }
}

/** A check that has begun for a request. */
export interface BegunCheck {
  readonly caller: Caller
  readonly demand: Demand
  readonly running: Promise<void>
}

/** Runs the checks of a demand, those it needs first, unless they have been run for this request and this caller. */
function checkOnce(caller: Caller, exchange: Exchange, demand: Demand): Promise<void> {
  const { checks } = exchange
  const earlier = checks.find((check) => check.demand === demand && isSame(check.caller, caller))
  if (earlier !== undefined) return earlier.running
  const running = runInOrder(caller, exchange, demand)
  checks.push({ caller, demand, running })
  return running
}

/** One key read twice is one caller; two wards that look at one request may each have found another. */
function isSame(one: Caller, other: Caller): boolean {
  return one === other || isDeepStrictEqual(one, other)
}

async function runInOrder(caller: Caller, exchange: Exchange, demand: Demand): Promise<void> {
  for (const need of demand.needs ?? []) await checkOnce(caller, exchange, need)
  const said: unknown = await demand.check?.(caller, exchange.head)
  // Whoever returns false meant to refuse; letting that in would be the worse of the two readings.
  if (said === false) throw new Fault('internal', 'a check returned false; it refuses by throwing a Refusal')
}

const codeOf: Readonly<Record<Exclude<Standing, 'active'>, RefusalCode>> = {
  disabled: 'key_disabled',
  not_yet_valid: 'key_not_yet_valid',
  expired: 'key_expired',
  revoked: 'key_revoked',
}

/** Refuses a key that is not active at this moment, and a secret whose overlap after a rotation is over. */
function checkStanding({ record, secret }: VerifiedKey, now: number): Refusal | undefined {
  const standing = standingOf(record, now)
  if (standing !== 'active') return new Refusal(codeOf[standing])
  if (secret.endsAt !== null && now >= secret.endsAt)
    return new Refusal('key_expired', 'This API key was replaced by a newer one.', { reason: 'replaced' })
  return undefined
}

/** Refuses a caller from elsewhere than the key's addresses; where the address is not known, so is that it is allowed. */
function checkAddress({ addresses }: VerifiedKey, request: RequestHead): Refusal | undefined {
  return addresses === undefined || addresses.has(request.address) ? undefined : new Refusal('address_denied')
}

/** Refuses a key without the scopes that the route asks for, and an admin key where nobody asked for one. */
function checkScope({ record, isAdmin }: VerifiedKey, demand: Demand): Refusal | undefined {
  const { scope = [] } = demand.needs === undefined ? demand : { scope: allScopes(demand) }
  const missing = findMissing(scope, record.scopes) ?? findMissingAny(demand, record.scopes)
  const isForModels = scope.length === 0 && demand.anyScope === undefined && demand.anyKey !== true
  // In the same words whichever guard comes first, the whole app's or the route's.
  if (isAdmin && (missing !== undefined || isForModels))
    return new Refusal('scope_missing', 'An admin key works on admin routes only.')
  if (missing === undefined) return undefined
  const wanted = missing.map((name) => `\`${name}\``).join(' or ')
  return new Refusal('scope_missing', `This API key lacks the scope ${wanted}.`)
}

/** The scopes of which one would do, where none of them is held. */
function findMissingAny(demand: Demand, held: readonly string[]): readonly string[] | undefined {
  const { anyScope, needs } = demand
  if (needs !== undefined)
    return anyScopes(demand).find((anyOf) => !anyOf.some((scope) => held.includes(scope)))
  return anyScope === undefined || anyScope.some((scope) => held.includes(scope)) ? undefined : anyScope
}

/** The first that is not held, alone. */
function findMissing(
  asked: string | readonly string[],
  held: readonly string[],
): readonly [string] | undefined {
  const names = typeof asked === 'string' ? [asked] : asked
  const missing = names.find((scope) => !held.includes(scope))
  return missing === undefined ? undefined : [missing]
}
