import { BlockList, isIP } from 'node:net'

/** The addresses a key may be used from. */
export interface AddressList {
  /**
   * Whether the address is on the list. An IPv4-mapped IPv6 address counts as its IPv4 address (RFC
   * 4291 §2.5.5.2).
   */
  readonly has: (address: string | undefined) => boolean
}

/** Whether the text is an address or a CIDR block, IPv4 or IPv6, without a zone. */
export function isAddressBlock(text: string): boolean {
  return parseBlock(text) !== undefined
}

/** The list of these blocks, checked with `isAddressBlock`; undefined for none: anywhere. */
export function createAddressList(blocks: readonly string[]): AddressList | undefined {
  if (blocks.length === 0) return undefined
  const list = new BlockList()
  for (const text of blocks) {
    const block = parseBlock(text)
    // An unreadable block allows no address: a list of such blocks stays closed.
    if (block !== undefined) list.addSubnet(block.address, block.bits, block.family)
  }
  return {
    has(address) {
      const family = address === undefined ? 0 : isIP(address)
      if (address === undefined || family === 0) return false
      return list.check(address, family === 4 ? 'ipv4' : 'ipv6')
    },
  }
}

/**
 * Whether each of these blocks lies within one of the others; none of either means anywhere. Where
 * it is not plain, it does not: a block that two others cover together, an IPv4-mapped one.
 */
export function areWithin(blocks: readonly string[], others: readonly string[]): boolean {
  if (others.length === 0) return true
  return blocks.length > 0 && blocks.every((block) => others.some((other) => isWithin(block, other)))
}

/** IPv4-mapped addresses, and a little more. */
const mappedBlock = '::/80'

function isWithin(text: string, otherText: string): boolean {
  if (text === otherText) return true
  const [block, other] = [parseBlock(text), parseBlock(otherText)]
  if (block === undefined || other === undefined || block.family !== other.family) return false
  // A block of mapped addresses admits IPv4 ones, which one around it need not.
  const isMapped = block.family === 'ipv6' && createAddressList([mappedBlock])?.has(block.address)
  if (isMapped === true || block.bits < other.bits) return false
  return createAddressList([otherText])?.has(block.address) === true
}

function parseBlock(
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const [, address = '', digits] = /^([0-9A-Fa-f.:]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  if (family === 0) return undefined
  const bitsMax = family === 4 ? 32 : 128
  const bits = digits === undefined ? bitsMax : Number(digits)
  if (bits > bitsMax) return undefined
  return { address, bits, family: family === 4 ? 'ipv4' : 'ipv6' }
}
