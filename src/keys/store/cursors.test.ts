import { expect, test } from 'vitest'
import { formatOwnerCursor, parseOwnerCursor } from './cursors.ts'

test('a cursor of owners leads back to its owner, whatever that is called', () => {
  for (const owner of ['acme', '', '"', 'équipe/1', '\u{1f511}'])
    expect(parseOwnerCursor(formatOwnerCursor(owner))).toBe(owner)
})

test.each([
  '',
  'x',
  '!',
  cursorOf(['name', 'a', 'b']),
  cursorOf(['owner']),
  cursorOf(['owner', 1]),
  cursorOf('owner'),
])('%j is no cursor of owners', (text) => {
  expect(parseOwnerCursor(text)).toBeUndefined()
})

function cursorOf(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
