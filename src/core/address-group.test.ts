import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressGroupOf } from './address-group.ts'

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
  [undefined, 'unknown'],
])('%s counts as %s', (address, group) => {
  expect(addressGroupOf(address)).toBe(group)
})

test('addresses of one /64 are one, of two are two, however they are written', () => {
  const group = fc.integer({ min: 0, max: 0xffff })
  const half = fc.array(group, { minLength: 4, maxLength: 4 })
  const write = (groups: readonly number[]) => groups.map((one) => one.toString(16)).join(':')
  fc.assert(
    fc.property(half, half, half, half, (network, host, otherHost, otherNetwork) => {
      const one = addressGroupOf(write([...network, ...host]))
      expect(addressGroupOf(write([...network, ...otherHost]).toUpperCase())).toBe(one)
      const other = addressGroupOf(write([...otherNetwork, ...host]))
      expect(other === one).toBe(write(network) === write(otherNetwork))
    }),
  )
})
