import { hash } from 'node:crypto'
import { Refusal } from '../core/refusal.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { Clock } from '../core/time.ts'
import type { KeyStore } from '../keys/key-store.ts'
import type { KeyFormat } from '../keys/key-text.ts'
import {
  createKeyVerifier,
  type FoundKey,
  type InvalidKeyReason,
  presentedLengthMax,
} from '../keys/verify-key.ts'
import type { BadKeys } from '../limits/bad-key-limiter.ts'
import { secondsOf } from '../limits/limit-headers.ts'
import { usesOf } from '../limits/limit-uses.ts'
import type { TakeLimits } from '../limits/take-limits.ts'
import type { Peppers } from '../secrets/peppers.ts'
import { asksNothing } from './asks-nothing.ts'
import type { Caller, CallerOf } from './caller.ts'
import { checkKey, decide } from './decide.ts'
import type { Demand } from './demand.ts'
import { Exchange } from './exchange.ts'
import type { KeyCache } from './key-cache.ts'
import { ambiguous, readKey } from './read-key.ts'
import type { Recorder } from './recorder.ts'
import { everyoneLimitsOf, type LimitDefaults, limitsOf } from './request-limits.ts'
import { createRequestNote } from './request-note.ts'
import type { Scheme } from './scheme.ts'
import { csrfHeader, hasCsrfHeader, type Sessions } from './session.ts'
import type { Verdict } from './verdict.ts'
import { createVerifiedKey, type VerifiedKey } from './verified-key.ts'

/** The guard: decides about a request from its head alone, before any byte of its body is read. */
export interface Guard<Required extends boolean = boolean> {
  readonly schemes: readonly Scheme[]
  /** Where what it decides is recorded, by the adapter: it alone knows when the answer leaves. */
  readonly recorder: Recorder
  /**
   * Admits or refuses a request; at once when the key is in memory and the route has no check of its own, for a promise
   * would cost more than the decision. Rejects with a `Fault`, `store_unavailable` when the key is not in memory and the store is out, or
   * with the error that the route's check threw; always with an error. `caller` is null only where a scheme lets its absence pass and
   * the route demands nothing.
   */
  readonly admit: (
    request: Exchange | RequestHead,
    demand?: Demand,
  ) => Verdict<CallerOf<Required>> | Promise<Verdict<CallerOf<Required>>>
  /** The exchange of a request, at the object that stands for it; begun by the outermost guard. */
  readonly open: (asked: object, begin: () => RequestHead, method: string | undefined) => Exchange
  /** The exchange of a request that a guard of this gate has seen. */
  readonly find: (asked: object) => Exchange | undefined
  /** Whoever comes back with the same object is another request. */
  readonly forget: (asked: object) => void
  /** Verifies the key that a request presents, whatever it may do, and gives it as a session's cookie. */
  readonly signIn: (presented: string, request: RequestHead) => Promise<SignIn>
}

/**
 * The exchange in which a guard of this gate has admitted somebody.
 *
 * @throws TypeError where none has, so that a forgotten guard fails closed
 */
export function exchangeOf(gate: Guard, asked: object): Exchange {
  const exchange = gate.find(asked)
  if (exchange?.caller !== undefined) return exchange
  throw new TypeError('no caller was admitted for this request: no guard of this ward has seen it')
}

/** What came of signing in: the caller with a session's cookie, or why not. */
export type SignIn =
  | { readonly admitted: true; readonly caller: Caller; readonly session: string }
  | { readonly admitted: false; readonly refusal: Refusal; readonly caller?: Caller }

export interface GuardDeps {
  readonly schemes: readonly Scheme[]
  readonly format: KeyFormat
  readonly store: KeyStore
  readonly peppers: Peppers
  readonly cache: KeyCache
  readonly sessions: Sessions
  readonly clock: Clock
  readonly hasImportedKeys: () => boolean
  /** Puts a key's digest under the current pepper; called once for a key that is not, when it is first used. */
  readonly upgradeSecret: (found: FoundKey, sha256: string) => Promise<void>
  /** Of the deployment, beside those that keys and owners have. */
  readonly limits: LimitDefaults
  readonly takeLimits: TakeLimits
  readonly badKeys: BadKeys
  readonly recorder: Recorder
  /** Names the protected space in challenges (RFC 9110 §11.5). */
  readonly realm: string
  /** What a key that is not one answers: FastAPI's 403, or 401 with a challenge. */
  readonly invalidKeyStatus: 401 | 403
}

const noDemand: Demand = {}

export function createGuard(options: GuardDeps): Guard {
  const { schemes, cache, sessions, store, clock, upgradeSecret, takeLimits, recorder } = options
  const exchanges = createRequestNote<object, Exchange>('exchange')
  const verifier = createKeyVerifier(options)
  const refuse = createKeyRefusals(options)
  const load = createKeyLoader(options)
  const admitAnonymous = createAnonymousAdmission(options)

  /** The way of a request, in the order of ARCHITECTURE.md; a cached key skips from `readKey` to `checkStanding`. */
  function judge(exchange: Exchange, demand: Demand): ReturnType<Guard['admit']> {
    const { head } = exchange
    const presented = readKey(schemes, head)
    if (presented === ambiguous) return refuse.ambiguous
    if (presented === undefined) return admitWithoutKey(exchange, demand)
    if (presented.length > presentedLengthMax) return refuse.invalid('malformed', head)
    const sha256 = hash('sha256', presented)
    const key = cache.find(sha256)
    if (key !== undefined) return decide(key, exchange, demand, clock(), takeLimits)
    return admitUncached(presented, sha256, exchange, demand)
  }

  function open(asked: object, begin: () => RequestHead, method: string | undefined): Exchange {
    const known = exchanges.get(asked)
    if (known !== undefined) return known
    const exchange = new Exchange(recorder.parts, begin(), method)
    exchanges.set(asked, exchange)
    return exchange
  }

  /** Judges, and notes at the exchange what came of it. */
  function admit(request: Exchange | RequestHead, demand: Demand = noDemand): ReturnType<Guard['admit']> {
    const exchange = request instanceof Exchange ? request : open(request, () => request, undefined)
    const decided = (verdict: Verdict<Caller | null>): typeof verdict => {
      exchange.decide(verdict)
      return verdict
    }
    try {
      const verdict = judge(exchange, demand)
      if (!(verdict instanceof Promise)) return decided(verdict) as never
      return verdict.then(decided, failed) as never
    } catch (thrown) {
      return failed(thrown)
    }

    function failed(thrown: unknown): never {
      exchange.fail(thrown)
      throw thrown
    }
  }

  /** `parseKey`, `findKey`, `verifySecret`, the steps that a cached key has behind it, and then as for that. */
  async function admitUncached(
    presented: string,
    sha256: string,
    exchange: Exchange,
    demand: Demand,
  ): Promise<Verdict> {
    const mark = cache.mark()
    const found = await verifier.verify(presented, sha256)
    if (typeof found === 'string') return refuse.invalid(found, exchange.head)
    if (found.secret.pepperVersion !== options.peppers.current) await upgradeSecret(found, sha256)
    const key = await load(found)
    cache.add(sha256, key, mark)
    return decide(key, exchange, demand, clock(), takeLimits)
  }

  /** A browser's session, an anonymous caller where the scheme and the route allow one, or nobody. */
  async function admitWithoutKey(exchange: Exchange, demand: Demand): Promise<Verdict<Caller | null>> {
    const { head } = exchange
    const claim = demand.session === undefined ? undefined : sessions.read(head, clock())
    if (claim !== undefined) {
      const record = await store.findKey(claim.keyId)
      const secret = record && sessions.findSecret(record, claim)
      if (record !== undefined && secret !== undefined) {
        if (demand.session === 'csrf' && !hasCsrfHeader(head)) return refuse.csrfMissing
        return decide(await load({ record, secret }), exchange, demand, clock(), takeLimits)
      }
    }
    return (await admitAnonymous(exchange, demand)) ?? refuse.missing
  }

  async function signIn(presented: string, request: RequestHead): Promise<SignIn> {
    if (presented.length > presentedLengthMax) return refuse.invalid('malformed', request)
    const found = await verifier.verify(presented, hash('sha256', presented))
    if (typeof found === 'string') return refuse.invalid(found, request)
    // Signing in is no use of the key's limits; the pages that follow are.
    const key = await load(found)
    const refusal = checkKey(key, request, { anyKey: true }, clock())
    if (refusal !== undefined) return { admitted: false, refusal, caller: key.caller }
    return {
      admitted: true,
      caller: key.caller,
      session: sessions.issue(found.record, found.secret, clock()),
    }
  }

  const find = exchanges.get
  const forget = (asked: object): void => exchanges.set(asked, undefined)
  return { schemes, recorder, open, find, forget, admit, signIn }
}

/** Makes a verified key ready, with the limits that it shares with its owner's other keys. */
function createKeyLoader({ store, limits }: GuardDeps): (found: FoundKey) => Promise<VerifiedKey> {
  return async ({ record, secret }) => {
    const owner = await store.findOwner(record.owner)
    return createVerifiedKey(record, secret, limitsOf(record, owner?.limits ?? [], limits))
  }
}

/** Admits whoever has no key, where a scheme lets its absence pass and the route demands nothing: undefined elsewhere. */
function createAnonymousAdmission({
  schemes,
  limits,
  takeLimits,
}: GuardDeps): (exchange: Exchange, demand: Demand) => Promise<Verdict<null> | undefined> {
  const mayLackKey = schemes.some((scheme) => !scheme.required)
  const uses = usesOf(everyoneLimitsOf(limits))
  return async (exchange, demand) => {
    // An anonymous caller holds no scope and passes no check, so a route that demands anything demands a key.
    if (!mayLackKey || !asksNothing(demand)) return undefined
    const taken = await takeLimits(exchange, uses)
    if (taken instanceof Refusal) return { admitted: false, refusal: taken }
    return { admitted: true, caller: null, usage: taken }
  }
}

interface Refused {
  readonly admitted: false
  readonly refusal: Refusal
}

/** The refusals that need no key, made once: an attacker's flood costs no stack traces. */
function createKeyRefusals({ schemes, realm, invalidKeyStatus, badKeys }: GuardDeps): {
  readonly ambiguous: Refused
  readonly missing: Refused
  readonly csrfMissing: Refused
  readonly invalid: (reason: InvalidKeyReason, request: RequestHead) => Refused
} {
  const challenges = [...new Set(schemes.map((scheme) => `${scheme.challenge} realm="${realm}"`))]
  const challenge = { 'www-authenticate': challenges.join(', ') }
  const refused = (refusal: Refusal): Refused => ({ admitted: false, refusal })
  const invalid = (reason: InvalidKeyReason): Refused =>
    refused(
      new Refusal('key_invalid', undefined, {
        reason,
        ...(invalidKeyStatus === 401 ? { status: 401, headers: challenge } : {}),
      }),
    )
  const wrong: Readonly<Record<InvalidKeyReason, Refused>> = {
    malformed: invalid('malformed'),
    unknown: invalid('unknown'),
    wrong_secret: invalid('wrong_secret'),
  }
  return {
    ambiguous: refused(new Refusal('key_ambiguous')),
    missing: refused(new Refusal('key_missing', undefined, { headers: challenge })),
    csrfMissing: refused(
      new Refusal('forbidden', `A request by session cookie needs the header \`${csrfHeader}\`.`, {
        reason: 'csrf',
      }),
    ),
    invalid(reason, request) {
      const waitMs = badKeys.count(request.address)
      if (waitMs === undefined) return wrong[reason]
      const headers = { 'retry-after': `${secondsOf(waitMs)}` }
      return refused(new Refusal('too_many_bad_keys', undefined, { headers, reason }))
    },
  }
}
