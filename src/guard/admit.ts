import { isDeepStrictEqual } from 'node:util'
import { after, type Maybe } from '../core/after.ts'
import { Fault } from '../core/fault.ts'
import { hash } from '../core/hash.ts'
import { asError } from '../core/problem.ts'
import { Refusal } from '../core/refusal.ts'
import { keysVerifyScope } from '../core/scope.ts'
import type { Clock } from '../core/time.ts'
import type { KeyStore } from '../keys/store/key-store.ts'
import { type FoundKey, type KeyVerifier, presentedLengthMax } from '../keys/verify/verify-key.ts'
import type { LimitUse } from '../limits/limiter.ts'
import type { Costs } from '../limits/usage/costs.ts'
import type { LimitsTaken, TakeLimits } from '../limits/usage/take-limits.ts'
import { noUsage, type Usage } from '../limits/usage/usage.ts'
import type { EventOrigin } from '../telemetry/telemetry.ts'
import type { Caller } from './caller.ts'
import { checkKey } from './check-key.ts'
import { type Demand, demandsNothing } from './demand.ts'
import type { Exchange } from './exchange/exchange.ts'
import { createVerifiedKey, type KeyCache, type VerifiedKey } from './key-cache.ts'
import type { KeyRefusals } from './key-refusals.ts'
import { type AnonymousUses, type LimitDefaults, limitsOf, operationalLimitsOf } from './request-limits.ts'
import { ambiguous, readKey, type Scheme } from './scheme.ts'
import { hasCsrfHeader, type Sessions } from './session.ts'
import type { Verdict } from './verdict.ts'

/** What the steps of a request's way work with. */
export interface AdmitDeps {
  readonly schemes: readonly Scheme[]
  /** The same, for demands that take `Authorization: Bearer` as well. */
  readonly schemesWithBearer: readonly Scheme[]
  readonly store: KeyStore
  readonly verifier: KeyVerifier
  readonly cache: KeyCache
  readonly sessions: Sessions
  readonly refusals: KeyRefusals
  readonly clock: Clock
  /** The version of the pepper that new digests are under. */
  readonly pepperVersion: number
  readonly upgradeSecret: (found: FoundKey, digest: string, of: EventOrigin) => Promise<void>
  readonly limits: LimitDefaults
  readonly takeLimits: TakeLimits
  /** Notes that a key's secret was proven, at this moment. */
  readonly noteUse: (keyId: string, at: number) => void
  /** Whether a scheme lets a request without a key pass. */
  readonly mayLackKey: boolean
  readonly anonymousUses: AnonymousUses
}

type Decision = Verdict<Caller | null>

/** Decides about a request, and notes at its exchange what was decided. */
export function admit(deps: AdmitDeps, exchange: Exchange, demand: Demand = {}): Maybe<Decision> {
  if (demand.model !== undefined) exchange.model = demand.model
  exchange.trace?.beginGuard()
  try {
    // At once, before limits are taken and a model works for an answer that could not leave.
    if (exchange.deps.records?.writer.isStalled())
      throw new Fault('ledger_unavailable', 'the disk of the ledger does not answer')
    const decision = decide(deps, exchange, demand)
    if (decision instanceof Promise) return noteLater(exchange, decision)
    return decision.admitted || !hasTaken(exchange)
      ? exchange.decide(decision)
      : noteLater(exchange, Promise.resolve(decision))
  } catch (thrown) {
    return hasTaken(exchange) ? noteLater(exchange, Promise.reject(thrown)) : exchange.fail(thrown)
  }
}

async function noteLater(exchange: Exchange, deciding: Promise<Decision>): Promise<Decision> {
  try {
    const decision = await deciding
    if (!decision.admitted) await giveBack(exchange)
    return exchange.decide(decision)
  } catch (thrown) {
    // The limiter may be the fault, and cannot take back either.
    await giveBack(exchange).catch(() => {})
    return exchange.fail(thrown)
  }
}

/** Whether a guard ahead of this one has taken limits. */
function hasTaken({ usage, next }: Exchange): boolean {
  return usage !== noUsage || (next !== undefined && hasTaken(next))
}

/** A request that is refused has used nothing, of the guards ahead of this one either. */
async function giveBack({ usage, next }: Exchange): Promise<void> {
  await usage.giveBack()
  if (next !== undefined) await giveBack(next)
}

/** The way of a request; at once where the key is in memory and the demand has no check. */
function decide(deps: AdmitDeps, exchange: Exchange, demand: Demand): Maybe<Decision> {
  const { head } = exchange
  const presented = readKey(demand.bearer === true ? deps.schemesWithBearer : deps.schemes, head)
  if (presented === ambiguous) return refused(deps.refusals.ambiguous)
  if (presented === undefined) return admitWithoutKey(deps, exchange, demand)
  if (presented.length > presentedLengthMax) return refused(deps.refusals.invalid('malformed', head))
  const digest = hash('sha256', presented)
  const key = deps.cache.find(digest)
  return key === undefined
    ? admitUncached(deps, exchange, demand, presented, digest)
    : admitKey(deps, exchange, demand, key)
}

async function admitUncached(
  deps: AdmitDeps,
  exchange: Exchange,
  demand: Demand,
  presented: string,
  digest: string,
): Promise<Verdict> {
  const key = await verify(deps, exchange, presented, digest)
  return key instanceof Refusal ? refused(key) : admitKey(deps, exchange, demand, key)
}

/** `parseKey`, `findKey`, `verifySecret`, and what the key needs for later requests. */
export async function verify(
  deps: AdmitDeps,
  exchange: Exchange,
  presented: string,
  digest: string,
): Promise<VerifiedKey | Refusal> {
  // Taken before the store is read: a change from here on makes the entry stale.
  const mark = deps.cache.mark()
  const found = await deps.verifier.verify(presented, digest)
  if (typeof found === 'string') return deps.refusals.invalid(found, exchange.head)
  if (found.secret.pepperVersion !== deps.pepperVersion)
    await deps.upgradeSecret(found, digest, exchange.origin)
  const key = await load(deps, found)
  deps.cache.add(digest, key, mark)
  return key
}

/** From here on the caller has proven the secret, and may learn what is wrong. */
function admitKey(deps: AdmitDeps, exchange: Exchange, demand: Demand, key: VerifiedKey): Maybe<Verdict> {
  const { caller } = key
  exchange.secret = key.secret
  const now = deps.clock()
  deps.noteUse(caller.keyId, now)
  exchange.expiresAt = key.record.expiresAt
  const refusal = checkKey(deps, key, exchange.head, demand, now)
  if (refusal !== undefined) return refused(refusal, caller)
  const isBillable = demand.billable !== false
  const taking = takeUses(
    deps,
    exchange,
    isBillable,
    isBillable ? key.usesUnder(demand) : operationalUsesOf(key, demand),
    isBillable ? demand.cost : undefined,
  )
  return taking instanceof Promise
    ? taking.then((taken) => admitWith(exchange, demand, caller, taken))
    : admitWith(exchange, demand, caller, taking)
}

/**
 * A program asks for a verdict once for each request of its clients, who have limits of their own:
 * a key with `keys:verify` takes nothing where that scope is asked.
 */
function operationalUsesOf(key: VerifiedKey, { anyScope = [] }: Demand): readonly LimitUse[] {
  const isVerifying = anyScope.includes(keysVerifyScope) && key.record.scopes.includes(keysVerifyScope)
  return isVerifying ? [] : key.operationalUses()
}

/** Takes a request's limits; those of the other kind, which an outer guard took, it gives back. */
export function takeUses(
  deps: AdmitDeps,
  exchange: Exchange,
  isBillable: boolean,
  uses: readonly LimitUse[],
  costs?: Costs,
): Maybe<LimitsTaken> {
  if (exchange.isBillable !== isBillable) {
    exchange.isBillable = isBillable
    const before = exchange.usage
    if (before !== noUsage) {
      exchange.usage = noUsage
      return after(before.giveBack(), () => takeTraced(deps, exchange, uses, costs))
    }
  }
  return takeTraced(deps, exchange, uses, costs)
}

function takeTraced(
  { takeLimits }: AdmitDeps,
  exchange: Exchange,
  uses: readonly LimitUse[],
  costs: Costs | undefined,
): Maybe<LimitsTaken> {
  if (uses.length === 0 && costs === undefined) return noUsage
  const { trace, usage } = exchange
  if (trace === undefined) return takeLimits(uses, usage, costs, exchange)
  return trace.duringLimits(() => takeLimits(uses, usage, costs, exchange))
}

function admitWith(exchange: Exchange, demand: Demand, caller: Caller, usage: LimitsTaken): Maybe<Verdict> {
  if (usage instanceof Refusal) return refused(usage, caller)
  if (demand.check === undefined && demand.needs === undefined) return { admitted: true, caller, usage }
  return check(exchange, demand, caller, usage)
}

/**
 * A browser's session in place of a key; or an anonymous caller, where schemes and demand allow it.
 */
async function admitWithoutKey(deps: AdmitDeps, exchange: Exchange, demand: Demand): Promise<Decision> {
  const { head } = exchange
  const claim = demand.session === undefined ? undefined : deps.sessions.read(head, deps.clock())
  if (claim !== undefined) {
    const record = await deps.store.findKey(claim.keyId)
    const secret = record && deps.sessions.findSecret(record, claim)
    if (record !== undefined && secret !== undefined) {
      if (demand.session === 'csrf' && !hasCsrfHeader(head)) return refused(deps.refusals.csrfMissing)
      return admitKey(deps, exchange, demand, await load(deps, { record, secret }, 'session'))
    }
  }
  // An anonymous caller has no scope and passes no check: a route that demands anything needs a
  // key.
  if (!deps.mayLackKey || !demandsNothing(demand)) return refused(deps.refusals.missing(head))
  const isBillable = demand.billable !== false
  const uses = deps.anonymousUses(head.address, isBillable)
  const usage = await takeUses(deps, exchange, isBillable, uses)
  return usage instanceof Refusal ? refused(usage) : { admitted: true, caller: null, usage }
}

/**
 * A verified key with the limits that it meets, those that it shares with its owner's others too.
 */
async function load(
  { store, limits }: AdmitDeps,
  { record, secret }: FoundKey,
  by: 'key' | 'session' = 'key',
): Promise<VerifiedKey> {
  const owner = await store.findOwner(record.owner)
  const operational = operationalLimitsOf(limits, `${by}:${record.id}`)
  return createVerifiedKey(record, secret, limitsOf(record, owner?.limits ?? [], limits), operational)
}

/** The demand's own check. A request that it refuses, or that broke in it, has used nothing. */
async function check(exchange: Exchange, demand: Demand, caller: Caller, usage: Usage): Promise<Verdict> {
  try {
    await checkOnce(exchange, demand, caller)
    return { admitted: true, caller, usage }
  } catch (thrown) {
    await usage.giveBack()
    if (thrown instanceof Refusal) return refused(thrown, caller)
    throw asError(thrown)
  }
}

/** Runs a demand's check, after those it needs, unless this request and caller have had it. */
function checkOnce(exchange: Exchange, demand: Demand, caller: Caller): Promise<void> {
  const { checks } = exchange
  const earlier = checks.find((begun) => begun.demand === demand && isSame(begun.caller, caller))
  if (earlier !== undefined) return earlier.running
  const running = checkInOrder(exchange, demand, caller)
  checks.push({ caller, demand, running })
  return running
}

/** One key that was read twice is one caller. */
function isSame(one: Caller, other: Caller): boolean {
  return one === other || isDeepStrictEqual(one, other)
}

async function checkInOrder(exchange: Exchange, demand: Demand, caller: Caller): Promise<void> {
  for (const need of demand.needs ?? []) await checkOnce(exchange, need, caller)
  const said: unknown = await demand.check?.(caller, exchange.head)
  // A check that returns false meant to refuse; letting in would be the worse of the two readings.
  if (said === false) throw new Fault('internal', 'a check returned false; it refuses by throwing a Refusal')
}

function refused(refusal: Refusal, caller?: Caller): Extract<Decision, { admitted: false }> {
  return caller === undefined ? { admitted: false, refusal } : { admitted: false, refusal, caller }
}
