import { createHmac, hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { drawPepper, parsePeppers } from './peppers.ts'

const bytes = Buffer.alloc(32, 7)
const one = `1:${bytes.toString('base64url')}`

test('a digest is the HMAC-SHA-256 of the hash’s hex under the named version', () => {
  const peppers = parsePeppers(`${one}\n`, 'a file')
  const sha256 = hash('sha256', 'text')
  expect(peppers.digest(sha256, 1)).toEqual(createHmac('sha256', bytes).update(sha256).digest())
  expect(peppers.digest(sha256, 2)).toBeUndefined()
})

test('the highest version is the current one and the lowest the first, in whatever order they stand', () => {
  const peppers = parsePeppers(`${drawPepper(2)}\n${one},${drawPepper(10)}`, 'a file')
  expect(peppers.current).toBe(10)
  expect(peppers.first).toBe(1)
  expect(peppers.versions).toEqual([10, 2, 1])
})

test('drawn peppers differ, and so do keys derived for different purposes', () => {
  expect(drawPepper(1)).not.toBe(drawPepper(1))
  const peppers = parsePeppers(one, 'a file')
  expect(peppers.derive('a').equals(peppers.derive('a'))).toBe(true)
  expect(peppers.derive('a').equals(peppers.derive('b'))).toBe(false)
})

test.each([
  '',
  '\n',
  'abc',
  '1:short',
  `0:${one.slice(2)}`,
  `${one}\n${one}`,
  `1:${'!'.repeat(43)}`,
  `${one}\nx`,
])('a pepper that cannot be read, %#, says so and never repeats it', (text) => {
  let message = ''
  try {
    parsePeppers(text, 'a file')
  } catch (error) {
    expect(error).toMatchObject({ code: 'pepper_unreadable' })
    message = String(error)
  }
  expect(message).toContain('the pepper in a file')
  expect(message).not.toContain(one.slice(2))
  if (text.length > 2) expect(message).not.toContain(text)
})
