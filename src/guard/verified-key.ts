import { type AddressList, createAddressList } from '../core/address-list.ts'
import { adminScope } from '../core/scope.ts'
import type { KeyRecord, SecretRecord } from '../keys/key-record.ts'
import { type NamedLimit, usesOf } from '../limits/limit-uses.ts'
import type { LimitUse } from '../limits/limiter.ts'
import { type Caller, callerOf } from './caller.ts'
import type { Demand } from './demand.ts'
import { demandLimitsOf } from './request-limits.ts'

/** A key whose secret has been verified, made ready for the checks of every later request. */
export interface VerifiedKey {
  readonly record: KeyRecord
  /** The one of the key's secrets that was presented. */
  readonly secret: SecretRecord
  readonly caller: Caller
  readonly isAdmin: boolean
  readonly addresses: AddressList | undefined
  /** What a request of this key uses of the limits it meets under a demand. */
  readonly usesUnder: (demand: Demand) => readonly LimitUse[]
}

/** A verified key, from the record and the secret that matched, and the limits that it meets everywhere. */
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
