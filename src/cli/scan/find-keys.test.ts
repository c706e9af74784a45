import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawKey, drawKeyId } from '../../keys/fields/new-key.ts'
import { drawPepper, parsePeppers } from '../../secrets/peppers.ts'
import { createKeyFinder, type FoundKey } from './find-keys.ts'

const peppers = parsePeppers(drawPepper(1), 'test')

function newKey(prefix = 'mw'): { readonly id: string; readonly text: string } {
  const id = drawKeyId()
  return { id, text: drawKey({ prefix, environment: 'live' }, id, peppers, 0).text }
}

function find(pieces: readonly Buffer[], prefix = 'mw'): readonly FoundKey[] {
  const finder = createKeyFinder(prefix)
  return [...pieces.flatMap((piece) => finder.push(piece)), ...finder.end()]
}

function cut(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...pieces, bytes.subarray(at)]
}

const between = fc.oneof(
  fc.constantFrom(' ', '\n', '"', '\n\n', '=', 'mw_', 'mw_live_', ' mw_live_0123456789ab_', 'é', '—'),
  fc.string(),
)

describe('createKeyFinder', () => {
  test('finds the same keys at the same places wherever the bytes are cut', () => {
    const pieces = fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(between, { minLength: 1, maxLength: 5 }), pieces, (gaps, sizes) => {
        const bytes = Buffer.from(gaps.map((gap) => `${gap}${newKey().text}`).join(''))
        expect(find(cut(bytes, sizes))).toEqual(find([bytes]))
      }),
    )
  })

  test('finds every key that stands alone, with its line and column', () => {
    const keys = [newKey(), newKey(), newKey()]
    const text = `a\n  "${keys[0]?.text}"\n\n${keys[1]?.text},${keys[2]?.text}`
    expect(find([Buffer.from(text)])).toEqual([
      { line: 2, column: 4, id: keys[0]?.id, environment: 'live' },
      { line: 4, column: 1, id: keys[1]?.id, environment: 'live' },
      { line: 4, column: 72, id: keys[2]?.id, environment: 'live' },
    ])
  })

  test('one byte at a time, at the very end, with the longest prefix', () => {
    const key = newKey('abcdefghijkl')
    const bytes = Buffer.from(`${'x\n'.repeat(500)}${key.text}`)
    const found = find(
      cut(
        bytes,
        Array.from({ length: bytes.length }, () => 1),
      ),
      'abcdefghijkl',
    )
    expect(found).toEqual([{ line: 501, column: 1, id: key.id, environment: 'live' }])
  })

  test('passes over a wrong checksum, another prefix and a part of a longer word', () => {
    const { text } = newKey()
    const wrong = `${text.slice(0, -1)}${text.endsWith('a') ? 'b' : 'a'}`
    expect(find([Buffer.from([wrong, newKey('other').text, `x${text}`, `${text}x`].join('\n'))])).toEqual([])
  })

  test('finds a key in UTF-16', () => {
    const { id, text } = newKey()
    expect(find([Buffer.from(`\uFEFFa\n${text}\n`, 'utf16le')])).toMatchObject([{ id, line: 2 }])
  })

  test('never gives the secret', () => {
    const { text } = newKey()
    expect(JSON.stringify(find([Buffer.from(text)]))).not.toContain(text.slice(-49, -6))
  })
})
