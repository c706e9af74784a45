import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTarget } from './target.ts'
import { createTargetAddresses } from './target-address.ts'

const addresses = createTargetAddresses([])
const rules = { addresses, allowHttp: true }

/**
 * What must never be reached, stated here a second time: the first address and the last, as
 * numbers.
 */
const refused: readonly (readonly [name: string, first: string, last: string])[] = [
  ['unspecified', '0.0.0.0', '0.255.255.255'],
  ['private 10', '10.0.0.0', '10.255.255.255'],
  ['CGNAT', '100.64.0.0', '100.127.255.255'],
  ['loopback', '127.0.0.0', '127.255.255.255'],
  ['wire server', '168.63.129.16', '168.63.129.16'],
  ['link-local', '169.254.0.0', '169.254.255.255'],
  ['private 172', '172.16.0.0', '172.31.255.255'],
  ['protocol assignments', '192.0.0.0', '192.0.0.255'],
  ['documentation 1', '192.0.2.0', '192.0.2.255'],
  ['6to4 relays', '192.88.99.0', '192.88.99.255'],
  ['private 192', '192.168.0.0', '192.168.255.255'],
  ['benchmarking', '198.18.0.0', '198.19.255.255'],
  ['documentation 2', '198.51.100.0', '198.51.100.255'],
  ['documentation 3', '203.0.113.0', '203.0.113.255'],
  ['multicast', '224.0.0.0', '239.255.255.255'],
  ['reserved', '240.0.0.0', '255.255.255.255'],
]
/** Public, for a name server of the internet's own, and never a receiver. */
const special: readonly (readonly [first: string, last: string])[] = [
  ['192.31.196.0', '192.31.196.255'],
  ['192.52.193.0', '192.52.193.255'],
  ['192.175.48.0', '192.175.48.255'],
]

function numberOf(dotted: string): number {
  return dotted.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
}

function bytesOf(value: number): readonly number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
}

function dotted(value: number): string {
  return bytesOf(value).join('.')
}

function hexGroups(value: number): string {
  return `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`
}

function inside(first: string, last: string): fc.Arbitrary<number> {
  const [min, max] = [numberOf(first), numberOf(last)]
  return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max }))
}

/** IPv6 that ends at, stands for or hides the IPv4 address, in more than one spelling. */
function ipv6Forms(value: number): readonly string[] {
  const hex = hexGroups(value)
  return [
    `::ffff:${dotted(value)}`,
    `::FFFF:${hex}`,
    `0:0:0:0:0:ffff:${hex}`,
    `0000:0000:0000:0000:0000:ffff:${dotted(value)}`,
    `::${dotted(value)}`,
    `::ffff:0:${dotted(value)}`,
    `64:ff9b::${dotted(value)}`,
    `0064:ff9b:0::0:${hex}`,
    `64:ff9b:1::${hex}`,
    `2002:${hex}::1`,
    `2001:0:${hex}::1`,
    // Teredo writes the client's address inverted.
    `2001:0:1:2:0:0:${hexGroups(~value >>> 0)}`,
    `fe80::5efe:${hex}`,
  ]
}

/** IPv4 as the authors of URLs spell it who do not want it to be seen. */
function urlForms(value: number): readonly string[] {
  const bytes = bytesOf(value)
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  const plain = dotted(value)
  return [
    plain,
    `${plain}.`,
    String(value),
    `0x${value.toString(16)}`,
    `0${value.toString(8)}`,
    bytes.map((byte) => `0x${byte.toString(16)}`).join('.'),
    bytes.map((byte) => `0${byte.toString(8)}`).join('.'),
    bytes.map((byte) => `000${byte.toString(8)}`).join('.'),
    `${a}.${(b << 16) | (c << 8) | d}`,
    `${a}.${b}.${(c << 8) | d}`,
    `0x${a.toString(16)}.${b}.0${((c << 8) | d).toString(8)}`,
    plain.replaceAll('.', '%2e'),
    [...plain].map((char) => `%${char.charCodeAt(0).toString(16)}`).join(''),
    ...ipv6Forms(value).map((form) => `[${form}]`),
  ]
}

describe.each(refused)('%s', (_name, first, last) => {
  test('no address of it is reached, in no notation', () => {
    fc.assert(
      fc.property(inside(first, last), (value) => {
        for (const form of [dotted(value), ...ipv6Forms(value)]) {
          expect(addresses.mayReach(form), form).toBe(false)
          expect(addresses.mayReach(`${form}%eth0`), form).toBe(false)
        }
        for (const host of urlForms(value)) {
          for (const url of [`https://${host}/`, `http://${host}:8080/x`, `https://${host}:443`]) {
            expect(parseTarget(url, rules), url).toHaveProperty('fault')
          }
        }
      }),
      { numRuns: 50 },
    )
  })
})

test('every other IPv4 address is reached, as itself, mapped, and through NAT64', () => {
  const ranges = [...refused.map(([, first, last]) => [first, last] as const), ...special]
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (value) => {
      const isRefused = ranges.some(([first, last]) => value >= numberOf(first) && value <= numberOf(last))
      const forms = [dotted(value), `::ffff:${dotted(value)}`, `64:ff9b::${hexGroups(value)}`]
      for (const form of forms) expect(addresses.mayReach(form), form).toBe(!isRefused)
    }),
    { numRuns: 2_000 },
  )
})

/** An IPv6 address whose first bits are given, the rest drawn. */
function ipv6Within(prefix: bigint, bits: number): fc.Arbitrary<string> {
  return fc.bigInt({ min: 0n, max: (1n << BigInt(128 - bits)) - 1n }).map((rest) => {
    const hex = ((prefix << BigInt(128 - bits)) | rest).toString(16).padStart(32, '0')
    return (hex.match(/.{4}/g) ?? []).join(':')
  })
}

test.each([
  ['loopback and unspecified', 0n, 120],
  ['discard', 0x0100_0000_0000_0000n, 64],
  ['unique local, metadata', 0x7en, 7],
  ['link-local', 0x3fan, 10],
  ['site-local', 0x3fbn, 10],
  ['multicast', 0xffn, 8],
  ['Teredo', 0x2001_0000n, 32],
  ['benchmarking', 0x2001_0002_0000n, 48],
  ['ORCHID', 0x2001_002n, 28],
  ['documentation', 0x2001_0db8n, 32],
  ['documentation, new', 0x3fff0n, 20],
  ['6to4', 0x2002n, 16],
  ['segment routing', 0x5f00n, 16],
  ['not given out: 4000::/2', 1n, 2],
  ['not given out: 8000::/1', 1n, 1],
])('IPv6 %s: no address of it is reached', (_name, prefix, bits) => {
  fc.assert(
    fc.property(ipv6Within(prefix, bits), (address) => {
      expect(addresses.mayReach(address)).toBe(false)
      expect(parseTarget(`https://[${address}]/`, rules)).toHaveProperty('fault')
    }),
  )
})

test('public IPv6 is reached', () => {
  for (const address of ['2606:4700:4700::1111', '2a00:1450:4001:82a::200e', '2400:cb00::1'])
    expect(addresses.mayReach(address)).toBe(true)
})

test('what is no address is not reached', () => {
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.4.5', '1.2.3.4/8', '[::1]', '0x7f000001', ' 8.8.8.8'])
    expect(addresses.mayReach(text)).toBe(false)
})

describe('an allow list', () => {
  const some = createTargetAddresses(['10.1.0.0/16', 'fd00:1::/32', '127.0.0.1'])

  test('lifts the check for its blocks, mapped ones too', () => {
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00:1::5', '127.0.0.1', '8.8.8.8'])
      expect(some.mayReach(address), address).toBe(true)
  })

  test('and for nothing else', () => {
    for (const address of ['10.2.0.1', '127.0.0.2', '::1', 'fd00:2::5', 'fd00:ec2::254', '169.254.169.254'])
      expect(some.mayReach(address), address).toBe(false)
    // What a translator makes of it is not what was allowed.
    expect(some.mayReach('64:ff9b::10.1.2.3')).toBe(false)
  })
})
