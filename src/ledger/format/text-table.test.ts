import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TextTable } from './text-table.ts'

test('a text is what its bytes say, however many were met and whatever lies beside it', () => {
  const texts = fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { minLength: 1, maxLength: 20 })
  const table = new TextTable()
  fc.assert(
    fc.property(texts, fc.nat(3), (some, kind) => {
      const body = Buffer.from(some.join(''))
      // Twice: met for the first time, and known.
      for (let turn = 0; turn < 2; turn += 1) {
        let at = 0
        for (const text of some) {
          const end = at + Buffer.byteLength(text)
          expect(table.find(kind, body, at, end)).toBe(body.toString('utf8', at, end))
          at = end
        }
      }
    }),
  )
})

test('more texts than it remembers are still what they are', () => {
  const table = new TextTable()
  for (let turn = 0; turn < 2; turn += 1)
    for (let number = 0; number < 20_000; number += 1) {
      const text = `key_${number % 9_000}`
      const body = Buffer.from(text)
      expect(table.find(0, body, 0, body.length)).toBe(text)
    }
})
