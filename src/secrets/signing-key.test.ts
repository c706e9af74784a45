import { createPublicKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { drawSigningKey, drawSigningKeyLine, parseSigningKey, parseSigningKeys } from './signing-key.ts'

function publicHalf(text: string): string {
  return createPublicKey(parseSigningKey(text, 'test')).export({ format: 'jwk' }).x ?? ''
}

test.each([
  ['PEM', drawSigningKey],
  ['a line', drawSigningKeyLine],
])('behind a private key in %s stand the public halves of earlier ones', (_form, draw) => {
  const text = draw()
  const earlier = [drawSigningKey(), drawSigningKeyLine()].map(publicHalf)
  for (const given of [
    `${text},${earlier.join(',')}`,
    `${text}\n${earlier.join('\n')}\n`,
    ` ${text} , ${earlier[0]} ${earlier[1]}`,
  ]) {
    const read = parseSigningKeys(given, 'test')
    expect(createPublicKey(read.key).export({ format: 'jwk' }).x).toBe(publicHalf(text))
    expect(read.earlier).toEqual(earlier)
  }
  expect(parseSigningKeys(text, 'test').earlier).toEqual([])
})

test.each([
  ['a second private key', () => drawSigningKeyLine()],
  ['PEM', () => drawSigningKey()],
  ['a word', () => 'hush'],
  ['a public key that is cut', () => publicHalf(drawSigningKey()).slice(1)],
])('%s behind it is refused, and not repeated', (_what, draw) => {
  const behind = draw()
  const text = drawSigningKeyLine()
  const refused = (): unknown => parseSigningKeys(`${text},${behind}`, 'test')
  expect(refused).toThrow(/^test: expected the public halves of earlier keys/)
  expect(refused).not.toThrow(behind.trim().split('\n')[1] ?? behind)
  expect(() => parseSigningKeys(`${publicHalf(text)},${text}`, 'test')).toThrow(/expected an Ed25519/)
})
