import { addressGroupOf } from '../core/address-group.ts'
import type { KeyRecord } from '../keys/record/key-record.ts'
import { type LimitSetting, parseLimitSettings } from '../limits/limit-setting.ts'
import { type NamedLimit, namedLimits, usesOf } from '../limits/limit-uses.ts'
import type { LimitUse } from '../limits/limiter.ts'
import type { Demand } from './demand.ts'

/**
 * Every limit that a billable request of a key meets on any route. Texts were checked when they
 * were set: a wrong one is left out.
 */
export function limitsOf(
  record: KeyRecord,
  ownerLimits: readonly string[],
  { limitDefault, limitEveryone }: Pick<LimitDefaults, 'limitDefault' | 'limitEveryone'>,
): readonly NamedLimit[] {
  const own = record.limits === null ? limitDefault : parseLimitSettings(record.limits).settings
  return [
    ...namedLimits('key', `key:${record.id}`, own),
    ...namedLimits('owner', `owner:${record.owner}`, parseLimitSettings(ownerLimits).settings),
    ...everyoneLimitsOf({ limitEveryone }),
  ]
}

/** The limits that all billable requests share, those of anonymous callers too. */
function everyoneLimitsOf({ limitEveryone }: Pick<LimitDefaults, 'limitEveryone'>): readonly NamedLimit[] {
  return namedLimits('everyone', 'everyone', limitEveryone)
}

/** Whose operational requests are counted together: one flood stops no other subject. */
export type OperationalSubject = `key:${string}` | `session:${string}` | `address:${string}`

/** What an operational request takes, in the place of every other limit. */
export function operationalLimitsOf(
  { limitOperational }: Pick<LimitDefaults, 'limitOperational'>,
  subject: OperationalSubject,
): readonly NamedLimit[] {
  return namedLimits('operational', `operational:${subject}`, limitOperational)
}

/**
 * What a request without a key uses of limits: those of its client's address (IPv6: its /64), and
 * those that all requests share.
 */
export type AnonymousUses = (address: string | undefined, isBillable: boolean) => readonly LimitUse[]

export function createAnonymousUses(limits: LimitDefaults): AnonymousUses {
  const shared = usesOf(everyoneLimitsOf(limits))
  return function anonymousUses(address, isBillable) {
    if (isBillable && limits.limitAnonymous.length === 0) return shared
    const subject = `address:${addressGroupOf(address)}` as const
    const own = isBillable
      ? namedLimits('address', subject, limits.limitAnonymous)
      : operationalLimitsOf(limits, subject)
    const uses = usesOf(own.map((limit) => ({ ...limit, isOfAddress: true })))
    return isBillable ? [...uses, ...shared] : uses
  }
}

/** The limits of a deployment, which belong to no key, owner or route. */
export interface LimitDefaults {
  /** Of every key that has none of its own. */
  readonly limitDefault: readonly LimitSetting[]
  /** Shared by all billable requests of the deployment. */
  readonly limitEveryone: readonly LimitSetting[]
  /** Of billable requests without a key, for each client address. */
  readonly limitAnonymous: readonly LimitSetting[]
  /** Of operational requests: for each key, its sessions apart, and each stranger's address. */
  readonly limitOperational: readonly LimitSetting[]
}

/**
 * The limits of a route's demand for one key, and of the demands it needs; a demand that several of
 * them need counts once.
 */
export function demandLimitsOf(demand: Demand, keyId: string): readonly NamedLimit[] {
  const own = parseLimitSettings(demand.limits ?? []).settings
  const needed = (demand.needs ?? []).flatMap((need) => demandLimitsOf(need, keyId))
  const all = [...needed, ...namedLimits('route', `route:${nameOf(demand)}:key:${keyId}`, own)]
  return [...new Map(all.map((one) => [`${one.subject} ${one.setting.text}`, one])).values()]
}

const names = new WeakMap<Demand, string>()
let unnamed = 0

/** A name that no other demand has, where it has none: `~` begins none that a user gives. */
function nameOf(demand: Demand): string {
  if (demand.name !== undefined) return demand.name
  const known = names.get(demand)
  if (known !== undefined) return known
  unnamed += 1
  const name = `~${unnamed}`
  names.set(demand, name)
  return name
}
