import type { Maybe } from '../core/after.ts'
import { unknownAddress } from '../core/client-address.ts'
import { hash } from '../core/hash.ts'
import { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import { markVersion } from '../core/runtime/other-version.ts'
import type { Clock } from '../core/time.ts'
import type { KeyFormat } from '../keys/record/key-text.ts'
import type { KeyStore } from '../keys/store/key-store.ts'
import { createKeyVerifier, presentedLengthMax } from '../keys/verify/verify-key.ts'
import type { TakeLimits } from '../limits/usage/take-limits.ts'
import type { Usage } from '../limits/usage/usage.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { Measures } from '../telemetry/measures.ts'
import { type AdmitDeps, admit, takeUses, verify } from './admit.ts'
import type { Caller, CallerOf } from './caller.ts'
import { checkAgain, checkKey, checkRevoked } from './check-key.ts'
import type { Demand } from './demand.ts'
import { type DescribeGuardOptions, describeSchemes, type GuardDescription } from './describe-schemes.ts'
import { attachExchange, detachExchange, findExchange } from './exchange/attached-exchange.ts'
import { Exchange } from './exchange/exchange.ts'
import { type ExchangeDeps, isFollowed } from './exchange/exchange-deps.ts'
import { traceExchange } from './exchange/exchange-trace.ts'
import type { Recorder } from './exchange/recorder.ts'
import { createUnguardedRequests, type UnguardedRequests } from './exchange/unguarded-requests.ts'
import { type AskedKey, createJudge } from './judge-key.ts'
import type { KeyCache } from './key-cache.ts'
import type { KeysListener } from './key-cache-sync.ts'
import { createKeyRefusals, type KeyRefusalsOptions } from './key-refusals.ts'
import { createAnonymousUses, type LimitDefaults } from './request-limits.ts'
import { withBearer } from './scheme.ts'
import type { Sessions } from './session.ts'
import type { Verdict } from './verdict.ts'

/** Decides about a request from its head alone, before any byte of its body is read. */
export interface Guard<Required extends boolean = boolean> {
  /** Whether exchanges are recorded or measured, and so told of their answers. Never changes. */
  readonly isRecorded: boolean
  /** Where an app counts what has no request that it could be shown, such as garbage on a wire. */
  readonly measures: Measures
  /** Counts a request that no guard sees, such as one of a public path. */
  readonly beginUnguarded: UnguardedRequests['begin']
  /**
   * Opens the exchange of a request, at the object that stands for it in its framework. `method` is
   * undefined where the request is not an HTTP request, `id` where the answer carries none yet.
   */
  readonly open: (request: object, head: RequestHead, method: string | undefined, id?: string) => Exchange
  /** Finds the exchange that a guard of this ward has opened at this object. */
  readonly find: (request: object) => Exchange | undefined
  /** Forgets an exchange, before its object stands for another request. */
  readonly forget: (request: object) => void
  /**
   * Admits or refuses a request, and notes at its exchange what was decided; at once when the key
   * is in memory and the route has no check, for a promise would cost more than the decision.
   * Rejects with a `Fault`, `store_unavailable` when the key is not in memory and the store is out,
   * or with the error that the route's check threw; always with an error. `caller` is null only
   * where a scheme lets its absence pass and the route demands nothing.
   */
  readonly admit: (
    exchange: Exchange,
    demand?: Demand,
  ) => Verdict<CallerOf<Required>> | Promise<Verdict<CallerOf<Required>>>
  /**
   * Decides about a key that was presented elsewhere, whatever schemes this ward has, as `admit`
   * decides about one that its request carries; rejects as that does. The head of the exchange says
   * the address it came from; undefined where that is not known: no wrong key is then counted.
   */
  readonly judge: (exchange: Exchange, asked: AskedKey, demand?: Demand) => Maybe<Verdict>
  /**
   * Whether the key of an admitted request would still be let in: undefined, or why not. Rejects
   * with `store_unavailable`.
   */
  readonly checkAgain: (exchange: Exchange) => Promise<Refusal | undefined>
  /**
   * Whether a key is revoked or disabled meanwhile, whose request has been answered: undefined, or
   * the refusal that says which. Rejects with `store_unavailable`.
   */
  readonly checkRevoked: (keyId: string) => Promise<Refusal | undefined>
  /** Calls the listener with the ids of changed keys, or `all`. Returns how to stop it. */
  readonly onKeysChanged: (listener: KeysListener) => () => void
  /** Verifies a key, whatever it may do, and issues a session's cookie for it. */
  readonly signIn: (exchange: Exchange, presented: string) => Promise<SignIn>
  /** Describes the guard for an OpenAPI document. */
  readonly describe: (options?: DescribeGuardOptions) => GuardDescription
}

/**
 * The exchange of a request that a guard of this ward has admitted.
 *
 * @throws TypeError where none has, so that a forgotten guard fails closed
 */
export function admittedExchange(guard: Guard, request: object): Exchange {
  const exchange = guard.find(request)
  if (exchange?.caller !== undefined) return exchange
  throw new TypeError('no caller was admitted for this request: no guard of this ward has seen it')
}

/**
 * What a request has taken of its limits, to take more of them: what no limit counts is recorded
 * all the same.
 *
 * @throws TypeError where no guard of this ward has admitted it
 */
export function openUsage(guard: Guard, request: object): Usage {
  return admittedExchange(guard, request).openUsage()
}

/** What came of signing in: the caller with a session's cookie, or why not. */
export type SignIn =
  | { readonly admitted: true; readonly caller: Caller; readonly session: string }
  | { readonly admitted: false; readonly refusal: Refusal; readonly caller?: Caller }

export interface GuardDeps extends KeyRefusalsOptions {
  readonly format: KeyFormat
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly cache: KeyCache
  readonly sessions: Sessions
  readonly clock: Clock
  /** Never jumps. */
  readonly monotonic: Clock
  readonly hasImportedKeys: () => boolean
  readonly onKeysChanged: (listener: KeysListener) => () => void
  /**
   * Puts a key's digest under the current pepper, when the key is first used after a change of it.
   */
  readonly upgradeSecret: AdmitDeps['upgradeSecret']
  /** Of the deployment, beside those that keys and owners have. */
  readonly limits: LimitDefaults
  readonly takeLimits: TakeLimits
  /** The same verdict on limits, with nothing taken. */
  readonly lookAtLimits: TakeLimits
  /** Notes that a key's secret was proven, at this moment. */
  readonly noteUse: (keyId: string, at: number) => void
  readonly recorder: Recorder
}

const anyKey: Demand = { anyKey: true }

export function createGuard(options: GuardDeps): Guard {
  const { schemes, sessions, clock, monotonic, recorder } = options
  const { records, telemetry } = recorder
  const { abandoned, retries } = recorder
  const exchangeDeps: ExchangeDeps = { records, telemetry, monotonic, abandoned, retries }
  const deps = admitDepsOf(options)
  const unguarded = createUnguardedRequests(exchangeDeps)
  const tellUnknownAddress = once(({ origin }: Exchange) =>
    telemetry.event('guard.address_unknown', {}, undefined, origin),
  )

  function open(request: object, head: RequestHead, method: string | undefined, id?: string): Exchange {
    const exchange = new Exchange(exchangeDeps, head, method, id)
    exchange.next = findExchange(request)
    attachExchange(request, exchange)
    unguarded.end(request)
    exchange.trace = traceExchange(telemetry.tracing, request)
    if (head.address === unknownAddress) tellUnknownAddress(exchange)
    return exchange
  }

  async function signIn(exchange: Exchange, presented: string): Promise<SignIn> {
    exchange.trace?.beginGuard()
    try {
      const signedIn = await verifySignIn(exchange, presented)
      exchange.decide(signedIn.admitted ? { ...signedIn, usage: exchange.usage } : signedIn)
      return signedIn
    } catch (thrown) {
      return exchange.fail(thrown)
    }
  }

  async function verifySignIn(exchange: Exchange, presented: string): Promise<SignIn> {
    const { head } = exchange
    const key =
      presented.length > presentedLengthMax
        ? deps.refusals.invalid('malformed', head)
        : await verify(deps, exchange, presented, hash('sha256', presented))
    if (key instanceof Refusal) return { admitted: false, refusal: key }
    const { caller, record, secret } = key
    deps.noteUse(record.id, clock())
    const refusal = checkKey(deps, key, head, anyKey, clock())
    if (refusal !== undefined) return { admitted: false, refusal, caller }
    const taken = await takeUses(deps, exchange, false, key.operationalUses())
    if (taken instanceof Refusal) return { admitted: false, refusal: taken, caller }
    exchange.usage = taken
    return { admitted: true, caller, session: sessions.issue(record, secret, clock()) }
  }

  return markVersion({
    isRecorded: isFollowed(exchangeDeps),
    measures: telemetry.measures,
    beginUnguarded: unguarded.begin,
    open,
    find: (request) => findExchange(request, exchangeDeps),
    forget: (request) => detachExchange(request, exchangeDeps),
    admit: (exchange, demand) => admit(deps, exchange, demand) as never,
    judge: createJudge(deps, options),
    checkAgain: (exchange) => checkAgain(deps, exchange),
    checkRevoked: (keyId) => checkRevoked(deps, keyId),
    onKeysChanged: options.onKeysChanged,
    signIn,
    describe: (described) => describeSchemes(schemes, described),
  })
}

/** What the steps of a request's way work with. */
function admitDepsOf(options: GuardDeps): AdmitDeps {
  const { schemes } = options
  return {
    ...options,
    schemesWithBearer: withBearer(schemes),
    verifier: createKeyVerifier(options),
    refusals: createKeyRefusals(options),
    pepperVersion: options.peppers.current,
    mayLackKey: schemes.some((scheme) => !scheme.required),
    anonymousUses: createAnonymousUses(options.limits),
  }
}

function once<Of>(act: (of: Of) => void): (of: Of) => void {
  let isDone = false
  return (of) => {
    if (!isDone) act(of)
    isDone = true
  }
}
