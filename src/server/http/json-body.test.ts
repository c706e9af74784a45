import { expect, test } from 'vitest'
import { parseJsonBody } from './json-body.ts'

function typeOf(text: string): unknown {
  try {
    return parseJsonBody(Buffer.from(text))
  } catch (refusal) {
    return (refusal as { errors: { type: string }[] }).errors[0]?.type
  }
}

test.each([
  ['{"metadata":{"__proto__":{}}}', 'name_forbidden'],
  ['{"\\u005f_proto__":1}', 'name_forbidden'],
  ['{"constructor":{"prototype":1}}', 'name_forbidden'],
  ['{"__proto__":1', 'json_invalid'],
  ['{"text":', 'json_invalid'],
])('%s is refused as %s', (text, type) => {
  expect(typeOf(text)).toBe(type)
})

test('a text that speaks of such a member is a text', () => {
  expect(typeOf('{"text":"__proto__"}')).toEqual({ text: '__proto__' })
})
