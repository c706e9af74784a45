import { type AddressList, createAddressList } from '../core/address-list.ts'
import { adminScope } from '../core/scope.ts'
import type { Clock } from '../core/time.ts'
import type { KeyRecord, SecretRecord } from '../keys/record/key-record.ts'
import { type NamedLimit, usesOf } from '../limits/limit-uses.ts'
import type { LimitUse } from '../limits/limiter.ts'
import { type Caller, callerOf } from './caller.ts'
import type { Demand } from './demand.ts'
import { demandLimitsOf } from './request-limits.ts'

/** A key whose secret has been verified, made ready for the checks of every later request. */
export interface VerifiedKey {
  readonly record: KeyRecord
  /** The secret that was presented. */
  readonly secret: SecretRecord
  readonly caller: Caller
  readonly isAdmin: boolean
  readonly addresses: AddressList | undefined
  /** What a request of this key uses of the limits it meets under a demand. */
  readonly usesUnder: (demand: Demand) => readonly LimitUse[]
  /** The same of a demand that is not billable, whatever else it says. */
  readonly operationalUses: () => readonly LimitUse[]
}

/**
 * A verified key with the limits that it meets on every route, and those of what is operational.
 */
export function createVerifiedKey(
  record: KeyRecord,
  secret: SecretRecord,
  limits: readonly NamedLimit[],
  operational: readonly NamedLimit[],
): VerifiedKey {
  const everywhere = usesOf(limits)
  let operationalUses: readonly LimitUse[] | undefined
  const known = new WeakMap<Demand, readonly LimitUse[]>()
  return {
    record,
    secret,
    caller: callerOf(record),
    isAdmin: record.scopes.includes(adminScope),
    addresses: createAddressList(record.addresses),
    usesUnder(demand) {
      if (demand.limits === undefined && demand.cost === undefined && demand.needs === undefined)
        return everywhere
      const before = known.get(demand)
      if (before !== undefined) return before
      const uses = usesOf([...limits, ...demandLimitsOf(demand, record.id)], demand.cost)
      known.set(demand, uses)
      return uses
    },
    operationalUses() {
      // Most keys never send one.
      operationalUses ??= usesOf(operational)
      return operationalUses
    },
  }
}

/**
 * The keys verified lately, by the SHA-256 of what was presented; never the text itself.
 *
 * Bounded by two generations: when the young one is full, it becomes the old one, and the old one
 * is dropped. A key in use moves to the young one: most hits cost no bookkeeping, and a key that no
 * request presented for a generation goes.
 *
 * Entries are trusted while the store answered within the lease: a node cut off from the store
 * stops admitting from memory, so that a revocation takes effect within a bound.
 */
export interface KeyCache {
  readonly find: (digest: string) => VerifiedKey | undefined
  /** A mark to take before the store is read, for `add`. */
  readonly mark: () => number
  /** Adds what was read since the mark, unless keys have changed since: it may be stale already. */
  readonly add: (digest: string, key: VerifiedKey, mark: number) => void
  /** The store answered at this moment (monotonic, milliseconds): these keys have changed. */
  readonly renew: (at: number, changed: readonly string[] | 'all') => void
  readonly size: () => number
  /** How often a key was found, and how often not, since it was made. */
  readonly looked: () => { readonly hits: number; readonly misses: number }
  /** How long ago the store answered last, in milliseconds. */
  readonly ageMs: () => number
  /** Whether the store has answered within the lease. */
  readonly isTrusted: () => boolean
  /** Empties it for good: nothing is trusted from here on. */
  readonly close: () => void
}

export interface KeyCacheOptions {
  /** Most keys it holds, over both generations; 2 or more. */
  readonly keysMax: number
  /** How long entries are trusted after the store last answered, in milliseconds. */
  readonly leaseMs: number
  /** Never jumps; a wall clock set back would lengthen the lease. */
  readonly monotonic: Clock
}

/** An empty cache. It finds nothing until it is first renewed. */
export function createKeyCache({ keysMax, leaseMs, monotonic }: KeyCacheOptions): KeyCache {
  const generationMax = Math.max(1, Math.floor(keysMax / 2))
  let young = new Map<string, VerifiedKey>()
  let old = new Map<string, VerifiedKey>()
  let renewedAt = Number.NEGATIVE_INFINITY
  let changes = 0
  let isClosed = false
  let hits = 0
  let misses = 0

  const ageMs = (): number => monotonic() - renewedAt

  function look(digest: string): VerifiedKey | undefined {
    if (ageMs() > leaseMs) return undefined
    const hit = young.get(digest)
    if (hit !== undefined) return hit
    const older = old.get(digest)
    if (older !== undefined) {
      old.delete(digest)
      put(digest, older)
    }
    return older
  }

  function put(digest: string, key: VerifiedKey): void {
    if (young.size >= generationMax) {
      old = young
      young = new Map()
    }
    young.set(digest, key)
  }

  function drop(changed: readonly string[] | 'all'): void {
    changes += 1
    if (changed === 'all') {
      young.clear()
      old.clear()
      return
    }
    const ids = new Set(changed)
    for (const generation of [young, old]) {
      for (const [digest, key] of generation) if (ids.has(key.record.id)) generation.delete(digest)
    }
  }

  return {
    find(digest) {
      const found = look(digest)
      if (found === undefined) misses += 1
      else hits += 1
      return found
    },
    mark: () => changes,
    add(digest, key, mark) {
      if (mark === changes) put(digest, key)
    },
    renew(at, changed) {
      if (isClosed) return
      renewedAt = Math.max(renewedAt, at)
      if (changed === 'all' || changed.length > 0) drop(changed)
    },
    size: () => young.size + old.size,
    looked: () => ({ hits, misses }),
    ageMs,
    isTrusted: () => ageMs() <= leaseMs,
    close() {
      isClosed = true
      renewedAt = Number.NEGATIVE_INFINITY
      drop('all')
    },
  }
}
