import { BlockList, isIP } from 'node:net'
import { createAddressList } from '../core/address-list.ts'

/** Which addresses a webhook may be sent to. */
export interface TargetAddresses {
  /**
   * Whether this address may be connected to: it is public, or in a block that was allowed.
   * Anything that is no address may not.
   */
  readonly mayReach: (address: string) => boolean
}

/**
 * IPv4 that is not the public internet: IANA's special-purpose registry (RFC 6890), multicast and
 * reserved space, and the address under which Azure shows its machines their own settings. The
 * metadata addresses of the other clouds lie in these ranges.
 */
const refusedIpv4: readonly string[] = [
  '0.0.0.0/8', // this network, unspecified
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carriers' own (CGNAT)
  '127.0.0.0/8', // loopback
  '168.63.129.16/32', // Azure's wire server
  '169.254.0.0/16', // link-local, metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // tunnels (AMT)
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
]

/**
 * The part of IPv6 that is given out to the internet. All else is refused: loopback, unique local,
 * link-local, multicast, what is yet to come.
 */
const publicIpv6 = '2000::/3'

/**
 * What is not public within it. Tunnels that carry IPv4 inside are here whole: their inner address
 * could be any.
 */
const refusedIpv6: readonly string[] = [
  '2001::/23', // protocol assignments: Teredo, benchmarking, ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
]

/**
 * Addresses of the public internet, and those in `allow`.
 *
 * @param allow addresses and CIDR blocks that are let through although they are not public; checked
 *   with `isAddressBlock`
 */
export function createTargetAddresses(allow: readonly string[]): TargetAddresses {
  const allowed = createAddressList(allow)
  return {
    mayReach(address) {
      // A zone (`fe80::1%eth0`) names one of this machine's own links, and the lists would not see
      // past it.
      if (address.includes('%') || isIP(address) === 0) return false
      return allowed?.has(address) === true || isPublic(address)
    },
  }
}

const refused: BlockList = listOf([...refusedIpv4, ...refusedIpv6])
const global: BlockList = listOf([publicIpv6])

function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !refused.check(address, 'ipv4')
  const inner = innerIpv4(address)
  if (inner !== undefined) return !refused.check(inner, 'ipv4')
  return global.check(address, 'ipv6') && !refused.check(address, 'ipv6')
}

const mappedPrefix = '0:0:0:0:0:ffff'
const nat64Prefix = '64:ff9b:0:0:0:0'

/**
 * The IPv4 address that a connection to this IPv6 address ends at: IPv4-mapped (RFC 4291 §2.5.5.2),
 * or through the well-known NAT64 prefix (RFC 6052), by which machines without IPv4 reach all of
 * it.
 */
function innerIpv4(address: string): string | undefined {
  const groups = groupsOf(address)
  const prefix = groups
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(':')
  if (prefix !== mappedPrefix && prefix !== nat64Prefix) return undefined
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.')
}

/** The eight groups of an IPv6 address in any notation. */
function groupsOf(address: string): readonly number[] {
  // The URL parser writes all of them in one form: hexadecimal, without an IPv4 tail.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const left = parseGroups(head)
  if (tail === undefined) return left
  const right = parseGroups(tail)
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function parseGroups(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

function listOf(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const block of blocks) {
    const [address = '', bits] = block.split('/')
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}
