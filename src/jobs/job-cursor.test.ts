import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatJobCursor, parseJobCursor } from './job-cursor.ts'

const id = 'job_7Qm2xT0bKc9Z7Qm2xT0bKc'

test('a cursor is read as what it was made of', () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (createdAt) => {
      expect(parseJobCursor(formatJobCursor({ createdAt, id }))).toEqual({ createdAt, id })
    }),
  )
})

test('nothing else is a cursor, and no text is more than that', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json().map(encoded)), (text) => {
      expect(parseJobCursor(text)).toBeUndefined()
    }),
  )
  for (const parts of [
    ['job', 1, 'job_1'],
    ['job', '1', id],
    ['job', 1.5, id],
    ['key', 1, id],
    ['job', 1, id, 1],
  ])
    expect([parts, parseJobCursor(encoded(JSON.stringify(parts)))]).toEqual([parts, undefined])
})

function encoded(json: string): string {
  return Buffer.from(json).toString('base64url')
}
