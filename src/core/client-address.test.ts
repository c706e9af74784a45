import { expect, test } from 'vitest'
import { readClientAddress } from './client-address.ts'

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:51234', '203.0.113.7'],
  ['[203.0.113.7]:443', 'unknown'],
  [' 203.0.113.7:51234 ', '203.0.113.7'],
  ['203.0.113.7:_hidden', '203.0.113.7'],
  ['2001:db8::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::FFFF:cb00:7107', '203.0.113.7'],
  ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
  ['[::ffff:203.0.113.7]:443', '203.0.113.7'],
  ['::ffff:0:0:1', '::ffff:0:0:1'],
])('%j is the address %s', (text, address) => {
  expect(readClientAddress(text)).toBe(address)
})

test.each([
  '',
  'unix',
  'unknown',
  '_hidden',
  '203.0.113.7:',
  '203.0.113.256:80',
  '203.0.113.7, 10.0.0.1',
  '[203.0.113.7',
  '2001:db8::1]:443',
  '1'.repeat(100_000),
  `[${':'.repeat(100_000)}`,
])('%.40j is no address', (text) => {
  expect(readClientAddress(text)).toBe('unknown')
})

test('where there is no text there is no address', () => {
  expect(readClientAddress(undefined)).toBeUndefined()
})
