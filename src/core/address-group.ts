import { isIP } from 'node:net'
import { readClientAddress, unknownAddress } from './client-address.ts'

/**
 * Groups addresses that one client can hold: an IPv6 address counts as its /64 (RFC 6177). What is
 * no address is one group, `unknown`.
 */
export function addressGroupOf(address: string | undefined): string {
  const bare = readClientAddress(address) ?? unknownAddress
  if (isIP(bare) !== 6) return bare
  return `${firstFourGroups(bare).join(':')}::/64`
}

/** The network half of an IPv6 address, each group without leading zeros. */
function firstFourGroups(address: string): readonly string[] {
  const [head = '', tail] = address.split('::')
  const left = groupsOf(head)
  if (tail === undefined) return left.slice(0, 4)
  const right = groupsOf(tail)
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right].slice(0, 4)
}

function groupsOf(text: string): string[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16).toString(16)]
    // The last 32 bits may be written as an IPv4 address; they are beyond the first four groups.
    return ['0', '0']
  })
}
