import fc from 'fast-check'
import { parse } from 'secure-json-parse'
import { expect, test } from 'vitest'
import { parseJsonText } from './json-text.ts'

function isTaken(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

const names = fc.constantFrom(
  '__proto__',
  'constructor',
  'prototype',
  'a',
  '\\u005f_proto__',
  'constr\\u0075ctor',
)
const written = fc.letrec<{ value: string; object: string; list: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, fc.constantFrom('0', 'null', '"__proto__"'), tie('object'), tie('list')),
  object: fc
    .array(fc.tuple(names, tie('value')), { maxLength: 3 })
    .map((all) => `{${all.map(([name, value]) => `"${name}":${value}`).join(',')}}`),
  list: fc.array(tie('value'), { maxLength: 3 }).map((all) => `[${all.join(',')}]`),
})).value

test('the names that secure-json-parse refuses are refused, and no others', () => {
  fc.assert(
    fc.property(written, (text) => {
      const options = { protoAction: 'error', constructorAction: 'error' } as const
      expect(isTaken(() => parseJsonText(text))).toBe(isTaken(() => parse(text, options)))
    }),
    { numRuns: 2_000 },
  )
})
