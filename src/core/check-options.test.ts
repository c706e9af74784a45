import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkOptions,
  describeValue,
  isOneOf,
  isText,
  isWholeFrom,
  type OptionRule,
} from './check-options.ts'

const { anything, constantFrom, dictionary, property, string } = fc

const rules: Readonly<Record<string, OptionRule>> = {
  data: { expected: 'text', accepts: isText, isRequired: true },
  count: { expected: 'a whole number from 2 on', accepts: isWholeFrom(2) },
  mode: { expected: '`a` or `b`', accepts: isOneOf('a', 'b') },
  pepper: { expected: 'text', accepts: isText, isSecret: true },
}

function fault(options: unknown): string | undefined {
  try {
    checkOptions('open', options, rules)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(TypeError)
    return (thrown as TypeError).message
  }
  return undefined
}

describe('options from outside', () => {
  test('are taken as they are, or refused: known names with accepted values alone get through', () => {
    const name = constantFrom(
      'data',
      'count',
      'mode',
      'pepper',
      'Data',
      'modes',
      '__proto__',
      'constructor',
      'toString',
      '',
    )
    const value = anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true })
    fc.assert(
      property(dictionary(name, value), (options) => {
        const isRight =
          Object.keys(options).every((key) => Object.hasOwn(rules, key)) &&
          Object.entries(rules).every(([key, rule]) => {
            const value = Object.hasOwn(options, key) ? options[key] : undefined
            return value === undefined ? rule.isRequired !== true : rule.accepts(value)
          })
        expect(fault(options) === undefined).toBe(isRight)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a whole number has a least and a most', () => {
    const values = [-1, 0, 9, 10, 0.5, Number.POSITIVE_INFINITY, '5']
    expect(values.filter(isWholeFrom(0, 9))).toEqual([0, 9])
  })

  test('anything but an object of options is refused, whatever it is', () => {
    const values = [undefined, null, 0, '', 'data', true, [], [{ data: 'x' }], () => {}, Symbol('x'), 1n]
    for (const value of values) expect(fault(value)).toMatch(/^open: expected an object of options, got /)
    expect(fault({ data: Symbol('x') })).toBe('open: `data`: expected text, got Symbol(x)')
  })

  test('one message names every fault, each with what was expected and what came', () => {
    expect(fault({ dta: 'x', count: 1, mode: ['a'] })).toBe(
      'open: `dta`: there is no such option; did you mean `data`?; `data`: expected text, got undefined; `count`: expected a whole number from 2 on, got 1; `mode`: expected `a` or `b`, got an array',
    )
    expect(fault({ data: 'x', entirelyElse: 1 })).toBe(
      'open: `entirelyElse`: there is no such option; there are data, count, mode, pepper',
    )
  })

  test('a message shows no secret, no object, and no more than the beginning of a text', () => {
    expect(fault({ data: 'x', pepper: 7 })).toBe('open: `pepper`: expected text, got another number')
    fc.assert(
      property(string({ minLength: 41, maxLength: 500 }), (text) => {
        expect(describeValue(text)).toBe(JSON.stringify(`${text.slice(0, 40)}…`))
      }),
    )
    expect(describeValue({ secret: 'x' })).toBe('an object')
  })
})
