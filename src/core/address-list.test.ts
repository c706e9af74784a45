import fc from 'fast-check'
import { expect, test } from 'vitest'
import { areWithin, createAddressList, isAddressBlock } from './address-list.ts'

test('no blocks mean anywhere', () => {
  expect(createAddressList([])).toBeUndefined()
})

test.each([
  ['10.0.0.0/8', '10.255.255.255', true],
  ['10.0.0.0/8', '11.0.0.0', false],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['0.0.0.0/0', '203.0.113.9', true],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['2001:db8::/32', '2001:db8:ffff::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['::/0', '2001:db8::1', true],
  ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ['10.0.0.0/8', '::ffff:11.1.2.3', false],
])('%s and %s: %s', (block, address, isOn) => {
  expect(createAddressList([block])?.has(address)).toBe(isOn)
})

test('a caller whose address is unknown or invalid is on no list', () => {
  const list = createAddressList(['0.0.0.0/0', '::/0'])
  expect(list?.has(undefined)).toBe(false)
  expect(list?.has('')).toBe(false)
  expect(list?.has('unix')).toBe(false)
})

test('an IPv4 block holds exactly the addresses that share its first bits', () => {
  const address = fc.nat(0xffffffff)
  const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
  fc.assert(
    fc.property(address, fc.nat(32), address, fc.nat(32), (base, bits, noise, keep) => {
      // Half of the random addresses share bits with the block: otherwise none would be inside.
      const other = (base ^ (keep === 32 ? 0 : noise >>> keep)) >>> 0
      const isInside = bits === 0 || base >>> (32 - bits) === other >>> (32 - bits)
      expect(createAddressList([`${text(base)}/${bits}`])?.has(text(other))).toBe(isInside)
    }),
  )
})

test.each([
  '',
  '10.0.0.0/33',
  '10.0.0/8',
  '010.0.0.1',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '::/129',
  'fe80::1%eth0',
  'localhost',
  '10.0.0.0/8 ',
])('%j is no block', (text) => {
  expect(isAddressBlock(text)).toBe(false)
})

test.each([
  [['10.1.0.0/16', '10.0.0.7'], ['10.0.0.0/8'], true],
  [['10.0.0.0/8'], ['10.0.0.0/8', '::1'], true],
  [['2001:db8:1::/48'], ['2001:db8::/32'], true],
  [['10.0.0.0/7'], ['10.0.0.0/8'], false],
  [['10.0.0.1', '11.0.0.1'], ['10.0.0.0/8'], false],
  [['2001:db9::/32'], ['2001:db8::/32'], false],
  [[], ['10.0.0.0/8'], false],
  [['10.0.0.0/8'], [], true],
  [[], [], true],
  // Neither family is taken for the other, whatever a system makes of mapped addresses.
  [['::ffff:10.0.0.0/104'], ['10.0.0.0/8'], false],
  [['::ffff:10.0.0.0/104'], ['::/0'], false],
  [['10.0.0.0/8'], ['::/0'], false],
  [['::/0'], ['0.0.0.0/0'], false],
])('%j within %j: %s', (blocks, others, isSo) => {
  expect(areWithin(blocks, others)).toBe(isSo)
})
