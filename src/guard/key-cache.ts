import { type AddressList, createAddressList } from '../core/address-list.ts'
import { adminScope } from '../core/scope.ts'
import type { Clock } from '../core/time.ts'
import type { KeyRecord, SecretRecord } from '../keys/key-record.ts'
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
}

/** A verified key with the limits that it meets on every route. */
export function createVerifiedKey(
  record: KeyRecord,
  secret: SecretRecord,
  limits: readonly NamedLimit[],
): VerifiedKey {
  const everywhere = usesOf(limits)
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
  }
}

/**
 * The keys verified lately, under the SHA-256 of what was presented; never the text itself.
 *
 * Bounded by two generations: a new one is begun when the young one is full, and the old one is dropped. A key in use moves
 * to the young one, so it costs no bookkeeping on most hits and what goes is what was not used for a generation.
 *
 * What it holds may be trusted for as long as the store has been heard within the lease: a node cut off from the store stops
 * admitting from memory, so that a revocation has a bound even then.
 */
export interface KeyCache {
  readonly find: (digest: string) => VerifiedKey | undefined
  /** A mark to take before reading the store, and to give with `add`. */
  readonly mark: () => number
  /** Adds what was read since the mark; in vain when keys changed in between, for then it may be stale already. */
  readonly add: (digest: string, key: VerifiedKey, mark: number) => void
  /** The store was heard at this moment (monotonic, milliseconds), and these keys have changed. */
  readonly renew: (at: number, changed: readonly string[] | 'all') => void
  readonly size: () => number
  /** Empties it for good: nothing is trusted from here on. */
  readonly close: () => void
}

export interface KeyCacheOptions {
  /** Most keys it holds, over both generations; 2 or more. */
  readonly keysMax: number
  /** How long what it holds is trusted without a word from the store, in milliseconds. */
  readonly leaseMs: number
  /** Never jumps; a wall clock set back would lengthen the lease. */
  readonly monotonic: Clock
}

/** An empty cache. It answers nothing until the store has been heard once. */
export function createKeyCache({ keysMax, leaseMs, monotonic }: KeyCacheOptions): KeyCache {
  const generationMax = Math.max(1, Math.floor(keysMax / 2))
  let young = new Map<string, VerifiedKey>()
  let old = new Map<string, VerifiedKey>()
  let heardAt = Number.NEGATIVE_INFINITY
  let changes = 0
  let isClosed = false

  function keep(digest: string, key: VerifiedKey): void {
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
      if (monotonic() - heardAt > leaseMs) return undefined
      const hit = young.get(digest)
      if (hit !== undefined) return hit
      const older = old.get(digest)
      if (older !== undefined) {
        old.delete(digest)
        keep(digest, older)
      }
      return older
    },
    mark: () => changes,
    add(digest, key, mark) {
      if (mark === changes) keep(digest, key)
    },
    renew(at, changed) {
      if (isClosed) return
      heardAt = Math.max(heardAt, at)
      if (changed === 'all' || changed.length > 0) drop(changed)
    },
    size: () => young.size + old.size,
    close() {
      isClosed = true
      heardAt = Number.NEGATIVE_INFINITY
      drop('all')
    },
  }
}
