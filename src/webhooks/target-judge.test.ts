import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { expect, test } from 'vitest'
import { createTargetAddresses } from './target-address.ts'

const addresses = createTargetAddresses([])

/**
 * What ipaddr.js calls public and a webhook does not reach: Azure's wire server, which shows a
 * machine its settings; and all IPv6 that is not given out to the internet, such as IPv4-compatible
 * `::10.0.0.1`, where a list of what is special comes too late for what is made special next.
 */
function isStricter(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (isIpv4(address)) return address.toString() === '168.63.129.16'
  return !address.match(ipaddr.IPv6.parseCIDR('2000::/3'))
}

function isIpv4(address: ipaddr.IPv4 | ipaddr.IPv6): address is ipaddr.IPv4 {
  return address.kind() === 'ipv4'
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address.range() === 'unicast' && !isStricter(address)
}

/** The addresses at either side of both ends of a block, and those within, as bytes. */
function around([network, bits]: [ipaddr.IPv4 | ipaddr.IPv6, number]): fc.Arbitrary<readonly number[]> {
  const bytes = network.toByteArray()
  const size = BigInt(bytes.length * 8)
  const first = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  const last = first | ((1n << (size - BigInt(bits))) - 1n)
  const edges = [first - 1n, first, first + 1n, last - 1n, last, last + 1n]
  return fc
    .oneof(fc.constantFrom(...edges), fc.bigInt({ min: first, max: last }))
    .map((value) =>
      BigInt.asUintN(Number(size), value)
        .toString(16)
        .padStart(bytes.length * 2, '0'),
    )
    .map((hex) => [...Buffer.from(hex, 'hex')])
}

function blocks(texts: readonly string[]): fc.Arbitrary<readonly number[]> {
  return fc.oneof(...texts.map((text) => around(ipaddr.parseCIDR(text))))
}

const ipv4 = fc.oneof(
  fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }),
  blocks(['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '168.63.129.16/32', '169.254.0.0/16']),
  blocks(['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24']),
  blocks(['192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24']),
  blocks(['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '255.255.255.255/32']),
)

const ipv6 = fc.oneof(
  fc.array(fc.nat(255), { minLength: 16, maxLength: 16 }),
  blocks(['::/128', '::1/128', '::/96', '::ffff:0:0:0/96', '64:ff9b:1::/48', '100::/64', '100:0:0:1::/64']),
  blocks(['2000::/3', '2001::/23', '2001::/32', '2001:2::/48', '2001:3::/32', '2001:4:112::/48']),
  blocks(['2001:10::/28', '2001:20::/28', '2001:30::/28', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48']),
  blocks(['3fff::/20', '5f00::/16', 'fc00::/7', 'fd00:ec2::254/128', 'fe80::/10', 'fec0::/10', 'ff00::/8']),
)

test('an IPv4 address is reached if ipaddr.js calls it public, as itself, mapped, and through NAT64', () => {
  fc.assert(
    fc.property(ipv4, (bytes) => {
      const address = ipaddr.fromByteArray([...bytes])
      const mapped = ipaddr.fromByteArray([...new Array<number>(10).fill(0), 255, 255, ...bytes])
      const translated = ipaddr.fromByteArray([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ...bytes])
      expect(ipaddr.process(mapped.toString()).toString()).toBe(address.toString())
      for (const form of [address, mapped, translated])
        for (const text of [form.toString(), form.toNormalizedString()])
          expect(addresses.mayReach(text), text).toBe(isPublic(address))
    }),
    { numRuns: 5_000 },
  )
})

const embedded = ['::ffff:0:0/96', '64:ff9b::/96']

test('an IPv6 address is reached if ipaddr.js calls it public and it is given out to the internet', () => {
  fc.assert(
    fc.property(ipv6, (bytes) => {
      const address = ipaddr.fromByteArray([...bytes])
      // Those that hold IPv4 are asked above.
      fc.pre(!embedded.some((block) => address.match(ipaddr.parseCIDR(block))))
      for (const text of [address.toString(), address.toNormalizedString()])
        expect(addresses.mayReach(text), text).toBe(isPublic(address))
    }),
    { numRuns: 5_000 },
  )
})
