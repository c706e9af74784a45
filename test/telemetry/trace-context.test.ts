import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatTraceparent, parseTraceContext, traceHeaders } from '../../src/telemetry/trace-context.ts'

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map((digits) => digits.join(''))
const id = (length: number) => hex(length).filter((digits) => !/^0+$/.test(digits))
const parts = fc.record({ traceId: id(32), spanId: id(16), flags: hex(2) })
const textOf = ({ traceId, spanId, flags }: { traceId: string; spanId: string; flags: string }) =>
  `00-${traceId}-${spanId}-${flags}`

describe('traceparent (W3C Trace Context §3.2)', () => {
  test('is read, with its flag of sampling and no other', () => {
    fc.assert(
      fc.property(parts, (made) => {
        const isSampled = Number.parseInt(made.flags, 16) % 2 === 1
        const { traceId, spanId } = made
        expect(parseTraceContext(textOf(made))).toEqual({ traceId, spanId, isSampled, state: '' })
      }),
    )
  })

  test('written is what is read again', () => {
    fc.assert(
      fc.property(parts, fc.boolean(), ({ traceId, spanId }, isSampled) => {
        const context = { traceId, spanId, isSampled, state: '' }
        expect(parseTraceContext(formatTraceparent(context))).toEqual(context)
      }),
    )
  })

  test('with one character that is another is ignored, unless it is another digit there', () => {
    fc.assert(
      fc.property(parts, fc.nat(54), fc.string({ minLength: 1, maxLength: 1 }), (made, at, character) => {
        const text = textOf(made)
        const changed = text.slice(0, at) + character + text.slice(at + 1)
        const isDigit = /^[0-9a-f]$/.test(character) && text[at] !== '-'
        if (isDigit || character === text[at]) return
        expect(parseTraceContext(changed)).toBeUndefined()
      }),
    )
  })

  test('of another length is ignored', () => {
    fc.assert(
      fc.property(parts, fc.nat(54), fc.string({ minLength: 1 }), (made, length, beyond) => {
        expect(parseTraceContext(textOf(made).slice(0, length))).toBeUndefined()
        expect(parseTraceContext(textOf(made) + beyond)).toBeUndefined()
        expect(parseTraceContext(beyond + textOf(made))).toBeUndefined()
      }),
    )
  })

  test('never makes the reader throw, and gives nothing but what the rules allow', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (parent, state) => {
        const context = parseTraceContext(parent, state)
        if (context === undefined) return
        expect(formatTraceparent(context)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
      }),
    )
  })

  const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  const one = `00-${traceId}-${spanId}-01`

  test.each([
    ['upper case', one.toUpperCase()],
    ['version ff', `ff${one.slice(2)}`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['more behind it, in this version', `${one}-more`],
    ['more without a dash, in a later version', `cc${one.slice(2)}more`],
    ['two headers, as Node joins them', `${one}, ${one}`],
    ['text that is too long', `cc${one.slice(2)}-${'x'.repeat(1_000)}`],
  ])('is ignored: %s', (_why, text) => {
    expect(parseTraceContext(text)).toBeUndefined()
  })

  test('of a later version is read as far as this version goes', () => {
    for (const later of [`cc${one.slice(2)}`, `cc${one.slice(2)}-what-the-future-holds`])
      expect(parseTraceContext(later)).toMatchObject({ traceId, spanId, isSampled: true })
  })
})

describe('tracestate (§3.3)', () => {
  const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const stateOf = (text: string) => parseTraceContext(parent, text)?.state

  test('is passed on', () => {
    expect(stateOf('congo=t61rcWkgMzE,rojo=00f067aa0ba902b7')).toBe('congo=t61rcWkgMzE,rojo=00f067aa0ba902b7')
    expect(stateOf('a@b=1 ,\t c= 2,,')).toBe('a@b=1,c= 2')
    const context = parseTraceContext(parent, 'a=1')
    expect(context && traceHeaders(context)).toEqual({ traceparent: parent, tracestate: 'a=1' })
  })

  test.each([
    'A=1',
    'a',
    'a=',
    '=1',
    'a=1,a=2',
    'a=ü',
    'a=1=2',
    'a b=1',
    `${'a'.repeat(257)}=1`,
    'a=1\u0000',
  ])('that is malformed is dropped, and the parent stays: %j', (text) => {
    expect(parseTraceContext(parent, text)).toMatchObject({ state: '', isSampled: true })
  })

  test('has 32 members and 512 characters at most, of the newest', () => {
    const members = Array.from({ length: 33 }, (_, at) => `k${at}=1`)
    expect(stateOf(members.join())).toBe('')
    expect(stateOf(members.slice(1).join())).toBe(members.slice(1).join())
    const long = ['a', 'b', 'c'].map((key) => `${key}=${'x'.repeat(200)}`)
    expect(stateOf(long.join())).toBe(long.slice(0, 2).join())
  })

  test('is never longer, whatever was sent', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000, unit: 'binary' }), (text) => {
        expect(stateOf(text)?.length).toBeLessThanOrEqual(512)
      }),
    )
  })
})
