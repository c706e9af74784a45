import { createHmac, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { addressGroupOf } from '../../core/address-group.ts'

/**
 * How a client's address is recorded: `whole`; `truncated` to its /24, or its /48 for IPv6; `hashed` under a key that only this
 * deployment has, so that records of one address can be told to be of one; or `none`.
 */
export type LedgerAddresses = 'whole' | 'truncated' | 'hashed' | 'none'

/** Characters of a hashed address: 72 bits, beyond any chance that two addresses meet. */
const hashedLength = 12

/**
 * Writes addresses as they are recorded. An IPv4 address that arrives mapped into IPv6 is written as IPv4; what is no address is `unknown`: behind a
 * trusted proxy it may be any text that a client sends.
 */
export interface RecordAddress {
  readonly ofOne: (address: string | undefined) => string | null
  /** Of all addresses that count as one, such as a /64. */
  readonly ofGroup: (address: string | undefined) => string | null
}

/** @param deriveKey called once, and for `hashed` alone */
export function createRecordAddress(how: LedgerAddresses, deriveKey: () => KeyObject): RecordAddress {
  const known =
    (write: (address: string) => string) =>
    (address: string | undefined): string | null =>
      address === undefined ? null : isAddress(address) ? write(address) : 'unknown'
  if (how === 'none') return { ofOne: () => null, ofGroup: () => null }
  if (how === 'whole') return { ofOne: known(plain), ofGroup: known(addressGroupOf) }
  if (how === 'truncated') return { ofOne: known(truncate), ofGroup: known(truncate) }
  const key = deriveKey()
  // Of the group and not of the one: whoever has an IPv6 network would look like as many clients as they please.
  const hash = known((address) =>
    createHmac('sha256', key).update(addressGroupOf(address)).digest('base64url').slice(0, hashedLength),
  )
  return { ofOne: hash, ofGroup: hash }
}

function isAddress(text: string): boolean {
  return isIP(text.includes('%') ? text.slice(0, text.indexOf('%')) : text) !== 0
}

function plain(address: string): string {
  return address.length > 7 && /^::ffff:\d/i.test(address) ? addressGroupOf(address) : address
}

function truncate(address: string): string {
  const group = addressGroupOf(address)
  if (isIP(group) === 4) return group.replace(/\d+$/, '0/24')
  const [first, second, third] = group.split(':')
  return `${first}:${second}:${third}::/48`
}
