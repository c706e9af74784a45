import { expect, test } from 'vitest'
import { withoutMessage } from './without-message.ts'

function parse(input: string): unknown {
  return JSON.parse(input)
}

function thrownBy(call: () => unknown): unknown {
  try {
    call()
    return undefined
  } catch (error) {
    return error
  }
}

test('what is logged of a model’s error has its kind and its place, and none of its message', () => {
  const known = withoutMessage(thrownBy(() => parse('my diagnosis')))
  expect(known.message).toMatch(/^SyntaxError; /)
  expect(known.stack).toMatch(/^ {4}at parse /m)
  expect(`${known.message}${known.stack}`).not.toContain('diagnosis')
})

test.each([
  ['lines like frames', new Error('my diagnosis\n    at diagnosis (a.ts:1:1)')],
  ['a cause', new Error('x', { cause: new Error('my diagnosis') })],
  ['a name', Object.assign(new Error('x'), { name: 'my diagnosis' })],
  ['fields', Object.assign(new Error('x'), { input: 'my diagnosis', code: 'my diagnosis' })],
  ['text', 'my diagnosis'],
])('an input in %s does not get out', (_where, thrown) => {
  const known = withoutMessage(thrown)
  expect(JSON.stringify({ ...known, message: known.message, stack: known.stack })).not.toContain('diagnosis')
  expect(known.cause).toBeUndefined()
})

test('a code stays: it tells what broke', () => {
  const thrown = Object.assign(new RangeError('x'), { code: 'ERR_WORKER_OUT_OF_MEMORY' })
  expect(withoutMessage(thrown).message).toContain('RangeError ERR_WORKER_OUT_OF_MEMORY')
})
