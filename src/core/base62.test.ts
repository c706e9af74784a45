import { expect, test } from 'vitest'
import { base62Alphabet, drawBase62 } from './base62.ts'

/** Gives the bytes of a list, over and over. */
function bytesOf(list: readonly number[]): (size: number) => Uint8Array {
  let next = 0
  return (size) => Uint8Array.from({ length: size }, () => list[next++ % list.length] ?? 0)
}

test('every character is as likely as every other: each has exactly four of the 248 accepted bytes', () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte)
  const text = drawBase62(248, bytesOf(all))
  for (const character of base62Alphabet) expect(text.split(character).length - 1).toBe(4)
})

test('bytes that would favour some characters are thrown away and drawn again', () => {
  expect(drawBase62(3, bytesOf([255, 248, 250, 0, 251, 61, 249, 62]))).toBe('0z0')
})
