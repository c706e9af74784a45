import fc from 'fast-check'
import { expect, test } from 'vitest'
import { drawKey, drawKeyId } from '../keys/fields/new-key.ts'
import { drawPepper, parsePeppers } from '../secrets/peppers.ts'
import { redact } from './redact.ts'

const peppers = parsePeppers(drawPepper(1), 'test')

test('no secret of a key and no pepper is left in any text', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.constantFrom('live', 'test'), (before, after, environment) => {
      const id = drawKeyId()
      const { text } = drawKey({ prefix: 'mw', environment }, id, peppers, 0)
      const secret = text.slice(-49)
      expect(redact(`${before}${text}${after}`)).not.toContain(secret)
      const pepper = drawPepper(1)
      expect(redact(`${before} ${pepper} ${after}`)).not.toContain(pepper.slice(2))
    }),
  )
})

test('ordinary words stay as they are', () => {
  const text =
    'MODELWARD_PORT: expected an integer, got "http" in /var/lib/modelward/and/a/very/long/path/below/it/modelward.db'
  expect(redact(text)).toBe(text)
})
