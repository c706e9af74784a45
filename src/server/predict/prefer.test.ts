import fc from 'fast-check'
import { expect, test } from 'vitest'
import { prefersAsync, readPreferences } from './prefer.ts'

test.each([
  'respond-async',
  'Respond-Async',
  'wait=10, respond-async',
  'respond-async, wait=10',
  'respond-async; foo="a,b"',
  'return=minimal,\trespond-async',
  'respond-async=""',
  'x="a, b", respond-async',
  'x="\\", y", respond-async',
])('Prefer: %s asks to be answered later', (header) => {
  expect(prefersAsync(header)).toBe(true)
})

test.each([
  undefined,
  '',
  'wait=10',
  'return=minimal',
  'respond-async=no',
  'respond-asynchronously',
  'not-respond-async',
  'x="respond-async"',
  'x="a, respond-async"',
  'x="a, respond-async',
  'x; respond-async',
  ',,,',
])('Prefer: %s does not', (header) => {
  expect(prefersAsync(header)).toBe(false)
})

test.each([
  ['respond-async, wait=10', 10],
  ['WAIT = 10', 10],
  ['wait=10; x=1, wait=20', 10],
  ['wait=0', 0],
  ['wait=-1, wait=7', 7],
  ['wait', undefined],
  ['wait=1.5', undefined],
  ['wait="10"', undefined],
  ['wait=1000000000', undefined],
  ['x="wait=10"', undefined],
])('Prefer: %s waits %s seconds', (header, seconds) => {
  expect(readPreferences(header).waitSeconds).toBe(seconds)
})

test('one pass says what the grammar says', () => {
  const piece = fc.constantFrom('respond-async', 'x', '=', '"', '\\', ',', ';', ' ', '\t', '""')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const header = pieces.join('')
      expect(prefersAsync(header)).toBe(prefersByGrammar(header))
    }),
    { numRuns: 2_000 },
  )
})

/** Preferences as expressions: a comma within quotes ends none; quadratic, so for short ones. */
function prefersByGrammar(header: string): boolean {
  const preferences = header.match(/(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/gs) ?? []
  return preferences.some((text) => /^\s*respond-async\s*(?:=\s*(?:"")?\s*)?(?:;|$)/i.test(text))
}

test('a header as long as may be is read in no time', () => {
  const begun = process.threadCpuUsage()
  for (const part of ['"', '\\', ',', '"\\', 'respond-async=', ' ', '; ']) {
    prefersAsync(part.repeat(16_384))
    prefersAsync(`respond-async=${part.repeat(16_384)}x`)
  }
  const { user, system } = process.threadCpuUsage(begun)
  expect(user + system).toBeLessThan(500_000)
})
