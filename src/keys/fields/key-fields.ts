import { isAddressBlock } from '../../core/address-list.ts'
import { type InputError, Refusal } from '../../core/refusal.ts'
import { adminScope, isScope } from '../../core/scope.ts'
import { suggest } from '../../core/suggest.ts'
import { limitErrors } from '../../limits/limit-setting.ts'
import type { KeyRecord } from '../record/key-record.ts'
import { type KeyTimes, keyTimeErrors } from './key-times.ts'

/** The fields of a key that users set. */
export interface KeyFields
  extends Pick<KeyRecord, 'name' | 'owner' | 'scopes' | 'metadata' | 'addresses' | 'limits'>,
    KeyTimes {}

/** Most UTF-16 units of a name, an owner or a reason. */
export const labelLengthMax = 128
const scopesMax = 32
const addressesMax = 64
/** Most bytes of a key's metadata as JSON. */
const metadataBytesMax = 4_096
/** Deepest nesting of a key's metadata. */
const metadataDepthMax = 16

/**
 * Control characters, lone surrogates, and marks that reverse the reading order: they forge log
 * lines and hide names.
 */
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u
const visible = /[\p{L}\p{N}\p{P}\p{S}]/u

/**
 * Every fault of the fields.
 *
 * @param issuedAt when a new key is issued, milliseconds since the epoch: it must expire later
 */
export function keyFieldErrors(
  fields: Pick<KeyRecord, keyof KeyFields>,
  issuedAt: number = Number.NEGATIVE_INFINITY,
): readonly InputError[] {
  return [
    ...labelErrors('name', fields.name),
    ...labelErrors('owner', fields.owner),
    ...scopeErrors(fields.scopes),
    ...addressErrors(fields.addresses),
    ...limitErrors(fields.limits ?? []),
    ...metadataErrors(fields.metadata),
    ...keyTimeErrors(fields, issuedAt),
  ]
}

/** The names of these fields. */
export const keyFieldNames: readonly (keyof KeyFields)[] = [
  'name',
  'owner',
  'scopes',
  'metadata',
  'addresses',
  'limits',
  'notBefore',
  'expiresAt',
]

/**
 * A fault for each field of another name. Ignored, a mistyped `expiresAt` would be a key that never
 * ends; stored, the body of a request that an app passes on would set what only the service sets
 * (mass assignment, OWASP API3:2023).
 *
 * @param more names that are fields too
 */
export function unknownFieldErrors(fields: object, more: readonly string[] = []): readonly InputError[] {
  const known = [...keyFieldNames, ...more]
  const unknown = Object.entries(fields).filter(
    ([name, value]) => value !== undefined && !known.includes(name),
  )
  return unknown.map(([name]) => {
    const meant = suggest(name.slice(0, labelLengthMax), known)
    const hint = meant === undefined ? '' : `; did you mean \`${meant}\`?`
    return fault([name.slice(0, labelLengthMax)], `a key has no such field${hint}`, 'unknown_field')
  })
}

/**
 * Refuses with `input_invalid` if there is a fault.
 *
 * @param where start of each fault's `loc`, such as `['body']`
 */
export function refuseErrors(errors: readonly InputError[], where: readonly (string | number)[]): void {
  if (errors.length === 0) return
  throw new Refusal('input_invalid', undefined, {
    errors: errors.map(({ loc, ...error }) => ({ loc: [...where, ...loc], ...error })),
  })
}

/** Whether the text may be a name, an owner or a reason: 1 to 128 printable characters. */
export function isLabel(text: string): boolean {
  return visible.test(text) && text.length <= labelLengthMax && !unprintable.test(text)
}

/**
 * Characters that are not seen or turn the reading order, and spaces other than the plain one: two
 * owners would look alike, and the limits and jobs of one be taken for the other's (Unicode
 * Technical Report 36, §2).
 */
const hidden = /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cf}]|(?! )\p{Zs}/u

/**
 * Faults of an owner that is named for the first time. Keys that have an owner keep it, whatever it
 * looks like: it was taken before.
 */
export function namedOwnerErrors(owner: string | undefined): readonly InputError[] {
  if (owner === undefined || !isLabel(owner)) return []
  const isPlain = !hidden.test(owner) && owner === owner.normalize('NFC') && owner === owner.trim()
  if (isPlain) return []
  const msg = 'expected no character that is not seen, no space around, and NFC: it looks like another owner'
  return [fault(['owner'], msg, 'look_alike')]
}

function labelErrors(field: string, text: string): readonly InputError[] {
  if (isLabel(text)) return []
  return [fault([field], `expected 1 to ${labelLengthMax} printable characters`, 'label')]
}

function scopeErrors(scopes: readonly string[]): readonly InputError[] {
  const errors = scopes.flatMap((scope, index) =>
    isScope(scope)
      ? []
      : [fault(['scopes', index], 'expected 1 to 128 of a-z 0-9 . _ : / -, starting with a letter', 'scope')],
  )
  if (scopes.length > scopesMax)
    errors.push(fault(['scopes'], `expected at most ${scopesMax} scopes`, 'too_long'))
  if (new Set(scopes).size < scopes.length)
    errors.push(fault(['scopes'], 'expected each scope once', 'duplicate'))
  if (scopes.includes(adminScope) && scopes.length > 1)
    errors.push(
      fault(['scopes'], `expected \`${adminScope}\` alone: an admin key works on admin routes only`, 'scope'),
    )
  return errors
}

function addressErrors(addresses: readonly string[]): readonly InputError[] {
  const errors = addresses.flatMap((address, index) =>
    isAddressBlock(address)
      ? []
      : [
          fault(
            ['addresses', index],
            'expected an IPv4 or IPv6 address or CIDR block, such as 10.0.0.0/8',
            'address',
          ),
        ],
  )
  if (addresses.length > addressesMax)
    errors.push(fault(['addresses'], `expected at most ${addressesMax} addresses`, 'too_long'))
  return errors
}

function metadataErrors(metadata: KeyFields['metadata']): readonly InputError[] {
  const unfit = findUnfit(metadata)
  if (unfit !== undefined) return [fault(['metadata'], unfit, 'metadata')]
  const bytes = Buffer.byteLength(JSON.stringify(metadata))
  if (bytes <= metadataBytesMax) return []
  return [fault(['metadata'], `expected at most ${metadataBytesMax} bytes of JSON, got ${bytes}`, 'too_long')]
}

/**
 * Why JSON cannot represent the metadata. Level by level: deep nesting would exhaust a recursion.
 */
function findUnfit(metadata: unknown): string | undefined {
  let level: readonly unknown[] = [metadata]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > metadataDepthMax) return `expected at most ${metadataDepthMax} levels`
    if (level.some((value) => typeof value === 'number' && !Number.isFinite(value)))
      return 'expected numbers that are finite'
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    )
  }
  return undefined
}

function fault(loc: readonly (string | number)[], msg: string, type: string): InputError {
  return { loc, msg, type }
}
