import { createHmac, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { addressGroupOf } from '../../core/address-group.ts'

/**
 * How a client's address is recorded: `whole`; `truncated` to its /24, or its /48 for IPv6;
 * `hashed` under a key that only this deployment has, so that records of one address can be
 * recognized as such; or `none`.
 */
export type LedgerAddresses = 'whole' | 'truncated' | 'hashed' | 'none'

/** Characters of a hashed address: 72 bits, so that no two addresses collide. */
const hashedLength = 12

/**
 * Writes addresses as they are recorded. An IPv4 address that arrives mapped into IPv6 is written
 * as IPv4. A text that is no address is `unknown`: behind a trusted proxy a client may send any.
 */
export interface RecordAddress {
  readonly ofOne: (address: string | undefined) => string | null
  /** Of all addresses that count as one, such as a /64. */
  readonly ofGroup: (address: string | undefined) => string | null
}

/** @param deriveKey called once, for `hashed` only */
export function createRecordAddress(how: LedgerAddresses, deriveKey: () => KeyObject): RecordAddress {
  if (how === 'none') return { ofOne: () => null, ofGroup: () => null }
  if (how === 'whole') return { ofOne: writing(plain), ofGroup: writing(addressGroupOf) }
  const write = writing(how === 'truncated' ? truncate : hashing(deriveKey()))
  return { ofOne: write, ofGroup: write }
}

function writing(write: (address: string) => string): RecordAddress['ofOne'] {
  return function writeAddress(address) {
    if (address === undefined) return null
    const zone = address.indexOf('%')
    return isIP(zone < 0 ? address : address.slice(0, zone)) === 0 ? 'unknown' : write(address)
  }
}

/**
 * Hashes the address's group: a client with an IPv6 network would look like any number of clients.
 */
function hashing(key: KeyObject): (address: string) => string {
  return function hash(address) {
    const hmac = createHmac('sha256', key).update(addressGroupOf(address))
    return hmac.digest('base64url').slice(0, hashedLength)
  }
}

function plain(address: string): string {
  return address.length > 7 && /^::ffff:\d/i.test(address) ? addressGroupOf(address) : address
}

function truncate(address: string): string {
  const group = addressGroupOf(address)
  if (isIP(group) === 4) return `${group.slice(0, group.lastIndexOf('.'))}.0/24`
  const [first, second, third] = group.split(':')
  return `${first}:${second}:${third}::/48`
}
