import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PresetRoute } from '../presets/preset.ts'
import { boundOf } from './bound.ts'
import { readCall } from './read-call.ts'

const tokens = { perByte: 1, template: 512, output: 4_096, image: 4_096 }

const embeddings: PresetRoute = {
  method: 'POST',
  path: '/v1/embeddings',
  asks: 'its model',
  answeredBy: 'upstream',
  dialect: 'openai',
  form: 'openai',
  streams: 'never',
}
const chat: PresetRoute = {
  ...embeddings,
  path: '/v1/chat/completions',
  streams: 'asked',
  output: { fields: ['max_tokens'], writes: 'max_tokens', isOpenBelowOne: false, answers: [['n']] },
}

function callOf(body: Readonly<Record<string, unknown>>, route = chat) {
  const bytes = Buffer.from(JSON.stringify(body))
  return readCall(bytes, { route, closedFields: [], refusesMediaByUrl: true })
}

/** A call whose body has so many bytes. */
function callOfBytes(bytes: number, body: Readonly<Record<string, unknown>>, route = chat) {
  const { length } = JSON.stringify({ ...body, x: '' })
  return callOf({ ...body, x: 'x'.repeat(bytes - length) }, route)
}

function boundOfCall(call: ReturnType<typeof callOf>, output = tokens.output) {
  return boundOf(call, call.bytes.length, tokens, output)
}

describe('the bound of a call', () => {
  test('is a token for each byte, the template and the output bound', () => {
    const call = callOfBytes(1_000, { max_tokens: 500 })
    expect(boundOfCall(call)).toEqual({ prompt: 1_512, completion: 500, tokens: 2_012 })
  })

  test('has an output bound for each answer', () => {
    const call = callOfBytes(1_000, { max_tokens: 500, n: 2 })
    expect(boundOfCall(call).tokens).toBe(2_512)
  })

  test('has the bytes that are spliced in', () => {
    const call = callOfBytes(1_000, { model: 'a' })
    const sent = call.write({ output: 4_096 })
    expect(sent.length).toBe(1_018)
    expect(boundOf(call, sent.length, tokens, 4_096).tokens).toBe(5_626)
    expect(
      boundOf(
        readCall(sent, { route: chat, closedFields: [], refusesMediaByUrl: true }),
        sent.length,
        tokens,
        1,
      ).tokens,
    ).toBe(5_626)
  })

  test('of embeddings is their prompt', () => {
    expect(boundOfCall(callOfBytes(9_000, {}, embeddings), 0).tokens).toBe(9_512)
  })

  test('of images is by their number, and their text is not counted as bytes', () => {
    const url = `data:image/png;base64,${'A'.repeat(100_000)}`
    const content = [{ type: 'image_url', image_url: { url } }]
    const call = callOf({ messages: [{ role: 'user', content }], max_tokens: 1 })
    expect(boundOfCall(call).prompt).toBe(call.bytes.length - url.length + 512 + 4_096)
  })

  test('is rounded up where a token is more than a byte', () => {
    const call = callOfBytes(1_001, { max_tokens: 0 })
    expect(boundOf(call, 1_001, { ...tokens, perByte: 0.4 }, 1).tokens).toBe(401 + 512)
  })

  test('of the largest numbers is a whole number that fits no limit', () => {
    const call = callOf({ max_tokens: 2_147_483_647, n: 2_147_483_647 })
    expect(boundOfCall(call).completion).toBe(Number.MAX_SAFE_INTEGER)
    expect(boundOfCall(call).tokens).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('is never less for more of anything', () => {
    const count = fc.nat({ max: 2_147_483_647 })
    fc.assert(
      fc.property(count, count, fc.nat({ max: 3_000 }), (output, n, bytes) => {
        const bound = boundOfCall(callOfBytes(100 + bytes, { max_tokens: output, n }))
        expect(bound.prompt).toBe(100 + bytes + 512)
        expect(Number.isSafeInteger(bound.tokens)).toBe(true)
        expect(bound.completion).toBeGreaterThanOrEqual(output)
        const more = boundOfCall(
          callOfBytes(101 + bytes, { max_tokens: output, n: Math.min(n + 1, 2_147_483_647) }),
        )
        expect(more.tokens).toBeGreaterThanOrEqual(bound.tokens)
      }),
    )
  })
})
