import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { base62Alphabet, formatBase62 } from './base62.ts'
import { looksLikeKey, replaceKeys } from './key-shape.ts'

const character = fc.constantFrom(...base62Alphabet)
const base62 = (length: number) => fc.string({ unit: character, minLength: length, maxLength: length })
const start = fc
  .record({
    prefix: fc.stringMatching(/^[a-z][a-z0-9]{1,11}$/),
    environment: fc.constantFrom('live', 'test'),
    id: base62(12),
  })
  .map(({ prefix, environment, id }) => `${prefix}_${environment}_${id}`)
const secret = base62(49)
const hide = (text: string): string => replaceKeys(text, (known) => `${known}_[redacted]`)

/** Whether so much of the secret is left that the rest could be guessed. */
function shows(text: string, hidden: string): boolean {
  for (let at = 0; at + 20 <= hidden.length; at += 1)
    if (text.includes(hidden.slice(at, at + 20))) return true
  return false
}

describe('text that looks like a key', () => {
  test('loses its secret and not its id, whatever stands around it and whatever its checksum', () => {
    fc.assert(
      fc.property(start, secret, fc.string(), fc.string(), (known, hidden, before, after) => {
        const shown = hide(`${before}${known}_${hidden}${after}`)
        expect(shown).not.toContain(hidden)
        expect(shown).toContain(`${known}_[redacted]`)
      }),
    )
  })

  test('loses its secret when it is cut short, however early, or is longer than a key', () => {
    fc.assert(
      fc.property(
        start,
        secret,
        fc.integer({ min: 1, max: 48 }),
        base62(3),
        (known, hidden, length, more) => {
          for (const rest of [hidden.slice(0, length), `${hidden}${more[0]}`, `${hidden}${more}`]) {
            expect(hide(`key ${known}_${rest} it was`)).toBe(`key ${known}_[redacted] it was`)
            expect(looksLikeKey(`${known}_${rest}`)).toBe(true)
          }
        },
      ),
    )
  })

  test('loses its secret when one character is changed, lacking or doubled, the id among them', () => {
    fc.assert(
      fc.property(
        start,
        secret,
        fc.nat(61),
        fc.constantFrom(...base62Alphabet, '-', '.', '_', 'é', '🔑'),
        (known, hidden, nth, other) => {
          const text = `${known}_${hidden}`
          const at = known.length - 12 + nth
          for (const typed of [other, '', `${text[at]}${text[at]}`])
            expect(shows(hide(text.slice(0, at) + typed + text.slice(at + 1)), hidden)).toBe(false)
        },
      ),
    )
  })

  test('loses its secret without its prefix too, cut short or with one character mistyped', () => {
    fc.assert(
      fc.property(
        base62(12),
        // As chance makes nearly all of them.
        secret.filter((text) => !/[0-9A-Z]{20}|[0-9a-z]{20}/.test(text)),
        fc.constantFrom('', 'live_', 'key=', '"', '/', '_'),
        fc.integer({ min: 20, max: 49 }),
        fc.nat(61),
        fc.constantFrom(...base62Alphabet, '-', '.', '_', 'é', '🔑', ''),
        (id, hidden, before, length, at, other) => {
          const text = `${id}_${hidden}`
          expect(hide(`${before}${text}`)).toBe(`${before}${id}_[redacted]`)
          expect(shows(hide(`${before}${id}_${hidden.slice(0, length)}`), hidden)).toBe(false)
          // Such a key is known by its id, of letters and digits, and by the underscore behind it.
          if (at === 12 || (at < 12 && !/^[0-9A-Za-z]?$/.test(other))) return
          const typed = `${before}${text.slice(0, at)}${other}${text.slice(at + 1)}`
          expect(shows(hide(typed), hidden)).toBe(false)
          expect(looksLikeKey(typed)).toBe(true)
        },
      ),
    )
  })

  test('leaves a line of JSON readable', () => {
    fc.assert(
      fc.property(start, secret, fc.string(), fc.string(), (known, hidden, before, after) => {
        const line = JSON.stringify({
          msg: `${before}${known}_${hidden}${after}`,
          other: `${known}_${hidden}`,
        })
        expect(JSON.parse(hide(line))).toMatchObject({ other: `${known}_[redacted]` })
      }),
    )
  })

  test.each([
    'is_live_now and run_test_of_everything',
    `a digest ${'0123456789abcdef'.repeat(4)}, ${formatBase62(2 ** 50, 43)}`,
    'mw_live_7Qm2xT0bKc9Z',
    '/var/lib/modelward/ledger-2026-11-28.db',
    '0196c6a0-7f3b-7c11-9d0e-2b1f6f1f9e10',
    `transactions_${'0123456789abcdef'.repeat(4)} and TRANSACTIONS_${'0123456789ABCDEF'.repeat(4)}`,
    'job_3aKx90QmZ2bT7cVw1LpRe and wh_3aKx90QmZ2bT7cVw1LpRe_3aKx90QmZ2b',
    '01ARZ3NDEKTS_01ARZ3NDEKTSV4RRFFQ69G5FAV',
    'concurrently_overcomplicatedness_of_words_and_CONCURRENTLY_OVERCOMPLICATEDNESS',
    'requestLimit_takesAllOrNone in limitLedgers_writesGroupCommits',
    'sha512-MzCVoWtcg4Pm2B3je5mMvYMvj3MmBKw+fU7vbsJc9/iT8ip6/eYIHo/Dsm/mr+wsHB6SEyJDuxB09Yy6r/8+4A==',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36',
    'https://models.example/v1/keys/7Qm2xT0bKc9Z?cursor=7Qm2xT0bKc9Z_0196c6a07f3b7c119d0e2b1f6f1f9e10',
  ])('is not %j', (text) => {
    expect(looksLikeKey(text)).toBe(false)
    expect(hide(text)).toBe(text)
  })

  test('is hardly ever an ordinary word, an identifier, a UUID or a digest, nor two of them', () => {
    const ordinary = fc.oneof(
      fc.uuid(),
      fc.stringMatching(/^[0-9a-f]{32}$|^[0-9a-f]{64}$|^[0-9A-F]{40}$/),
      fc.stringMatching(/^[a-z]{1,30}$|^[A-Z]{1,30}$|^[A-Z]?[a-z]{1,9}([A-Z][a-z]{1,8})?$|^\d{1,30}$/),
    )
    fc.assert(
      fc.property(fc.array(ordinary, { maxLength: 6 }), fc.constantFrom('_', '-', ' ', '/'), (parts, by) => {
        expect(looksLikeKey(parts.join(by))).toBe(false)
      }),
    )
  })
})
