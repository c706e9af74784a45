import { isDeepStrictEqual } from 'node:util'
import { areWithin } from '../../core/address-list.ts'
import { Refusal } from '../../core/refusal.ts'
import { keysSelfScope, keysWriteScope } from '../../core/scope.ts'
import { type KeyFields, refuseErrors } from '../fields/key-fields.ts'
import type { KeyRecord } from '../record/key-record.ts'
import type { KeyAsker, KeyAuthority } from './key-authority.ts'

/** The fields of a key that its owner may set, and how the API calls each of the others. */
const ownFields: readonly string[] = ['name', 'scopes', 'addresses', 'expiresAt', 'metadata']
const apiNames: Readonly<Record<string, string>> = { notBefore: 'not_before', expiresAt: 'expires_at' }

/** What an owner writes in its keys' metadata is under this name. */
const ownMetadata = 'self'

/**
 * What a key with `keys:owner` may do beyond what every key without `admin` may not: with the keys
 * of its owner alone, and none of them wider, or valid for longer, than it is itself.
 *
 * @param outer what holds beside it
 */
export function createOwnerBounds(
  asker: KeyAsker,
  outer: Pick<KeyAuthority, 'checkTarget' | 'checkResult'>,
): Pick<KeyAuthority, 'owner' | 'readNew' | 'readFields' | 'fieldsFor' | 'checkTarget' | 'checkResult'> {
  const { owner, addresses, limits } = asker.key
  const endsAt = endOf(asker)
  return {
    owner,
    readNew(key) {
      refuseFields(key)
      return {
        ...key,
        owner,
        // What it does not say is as its own is: the defaults may be wider.
        limits,
        addresses: key.addresses ?? addresses,
        expiresAt:
          key.expiresAt === undefined && endsAt !== null ? new Date(endsAt) : (key.expiresAt ?? null),
      }
    },
    readFields: refuseFields,
    fieldsFor: ({ metadata }, fields) =>
      fields.metadata === undefined ? fields : { ...fields, metadata: withOwn(metadata, fields.metadata) },
    checkTarget(event, record) {
      outer.checkTarget(event, record)
      // An end takes nothing from anyone but this owner.
      if (event === 'key.revoked' || event === 'key.disabled') return
      refuseScopes(asker.key, record.scopes, 'changes a key that has it')
      if (event === 'key.enabled') refuseOperators(record)
      // Its new text would be the asker's.
      if (event === 'key.rotated') refuseWider(asker, record)
    },
    checkResult(event, before, after) {
      outer.checkResult(event, before, after)
      if (event === 'key.revoked' || event === 'key.disabled') return
      refuseScopes(asker.key, after.scopes, 'gives it')
      const isSame = (field: 'addresses' | 'expiresAt'): boolean =>
        before !== undefined && isDeepStrictEqual(before[field], after[field])
      if (!isSame('addresses')) refuseAddresses(asker, after)
      if (!isSame('expiresAt')) refuseEnd(asker, after)
    },
  }
}

function refuseFields(fields: Partial<KeyFields>): void {
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined && !ownFields.includes(name)) throw refusalOf(apiNames[name] ?? name)
  const { metadata } = fields
  if (metadata === undefined) return
  const other = Object.keys(metadata).find((name) => name !== ownMetadata)
  if (other !== undefined) throw refusalOf(`metadata.${other.slice(0, 64)}`)
  const own = metadata[ownMetadata]
  if (own === undefined || (typeof own === 'object' && own !== null && !Array.isArray(own))) return
  refuseErrors([{ loc: ['metadata', ownMetadata], msg: 'expected an object', type: 'metadata' }], ['body'])
}

/** @throws Refusal `scope_missing` */
function refusalOf(field: string): Refusal {
  return new Refusal(
    'scope_missing',
    `This API key may not set \`${field}\` of a key: it lacks the scope \`${keysWriteScope}\`.`,
  )
}

/** What the owner wrote before is replaced; what the operator wrote stays. */
function withOwn(metadata: KeyFields['metadata'], sent: KeyFields['metadata']): KeyFields['metadata'] {
  const { [ownMetadata]: _, ...others } = metadata
  return Object.hasOwn(sent, ownMetadata) ? { ...others, [ownMetadata]: sent[ownMetadata] } : others
}

/** What an operator disabled, an operator enables. */
function refuseOperators({ disabledAt, isDisabledByOwner }: KeyRecord): void {
  if (disabledAt === null || isDisabledByOwner) return
  throw new Refusal(
    'scope_missing',
    `The operator disabled this key: only a key with the scope \`${keysWriteScope}\`, or an admin key, enables it.`,
  )
}

function refuseScopes({ scopes }: KeyRecord, wanted: readonly string[], does: string): void {
  const missing = wanted.find((scope) => scope !== keysSelfScope && !scopes.includes(scope))
  if (missing !== undefined)
    throw new Refusal('scope_missing', `Only a key with the scope \`${missing}\` ${does}.`)
}

function refuseWider(asker: KeyAsker, record: KeyRecord): void {
  refuseAddresses(asker, record)
  refuseEnd(asker, record)
}

function refuseAddresses({ key }: KeyAsker, { addresses }: KeyRecord): void {
  if (areWithin(addresses, key.addresses)) return
  throw new Refusal(
    'scope_missing',
    'This API key may be used from fewer `addresses`: those of the other must be within its own.',
  )
}

function refuseEnd(asker: KeyAsker, { expiresAt }: KeyRecord): void {
  const endsAt = endOf(asker)
  if (endsAt === null || (expiresAt !== null && expiresAt <= endsAt)) return
  throw new Refusal(
    'scope_missing',
    'This API key ends earlier: `expires_at` of the other must not be later than its own end.',
  )
}

/** When the asker ends: with its key, or with the secret that was presented. */
function endOf({ key, secret }: KeyAsker): number | null {
  const ends = [key.expiresAt, secret === undefined ? 0 : secret.endsAt].filter((at) => at !== null)
  return ends.length === 0 ? null : Math.min(...ends)
}
