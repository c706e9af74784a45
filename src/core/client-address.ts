import { isIP, SocketAddress } from 'node:net'

/** What stands for every text that is no address: all of them count as one client. */
export const unknownAddress = 'unknown'

/** Longest text that is looked at: an IPv6 address with brackets, zone and port is shorter. */
const textMax = 100

/**
 * A client's address, from where a socket, a framework or a proxy gives it: alone, with a port, or
 * in brackets (RFC 7239 §6). A zone is left out, and an IPv4-mapped IPv6 address is its IPv4
 * address (RFC 4291 §2.5.5.2).
 *
 * @returns `unknown` for a text that is no address; undefined where there is no text
 */
export function readClientAddress(text: string | undefined): string | undefined {
  if (text === undefined || isIP(text) === 4) return text
  if (text.length > textMax) return unknownAddress
  const [, four, six] = /^(?:([\d.]+):[\w.-]+|\[([^\]]+)\](?::[\w.-]+)?)$/.exec(text.trim()) ?? []
  const [bare = ''] = (four ?? six ?? text.trim()).split('%')
  const family = isIP(bare)
  if (family === 0 || (four !== undefined && family !== 4) || (six !== undefined && family !== 6))
    return unknownAddress
  return family === 6 && /^[0:]+:ffff:/i.test(bare) ? unmapped(bare) : bare
}

function unmapped(address: string): string {
  // Written in one way, of the several that there are: `::ffff:cb00:7107` is one.
  const written = new SocketAddress({ address, family: 'ipv6' }).address
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(written)?.[1] ?? address
}
