import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import { acceptJson, parseJsonBody } from './json-body.ts'

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

test('of large bodies that arrive together one is worked on in a turn of the event loop', async () => {
  const app = fastify()
  acceptJson(app)
  let turn = 0
  const next = (): void => {
    turn += 1
    if (turn > 0) setImmediate(next)
  }
  setImmediate(next)
  const turns: number[] = []
  app.post('/', async () => void turns.push(turn))
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      app.inject({
        method: 'POST',
        url: '/',
        headers: { 'content-type': 'application/json' },
        payload: index === 3 ? 'x'.repeat(300_000) : JSON.stringify('x'.repeat(300_000)),
      }),
    ),
  )
  turn = Number.NEGATIVE_INFINITY
  expect(answers.map(({ statusCode }) => statusCode === 200)).toEqual([true, true, true, false, true, true])
  expect(new Set(turns).size).toBe(5)
})
