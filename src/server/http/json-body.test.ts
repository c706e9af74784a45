import { type AddressInfo, connect } from 'node:net'
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

/** An app that reads JSON, and how many turns of the event loop it took to come to each request. */
async function readBodies(payloads: readonly string[]) {
  const app = fastify({ bodyLimit: 8_388_608 })
  acceptJson(app)
  let turn = 0
  let isOver = false
  const next = (): void => {
    turn += 1
    if (!isOver) setImmediate(next)
  }
  setImmediate(next)
  const began: { readonly index: number; readonly turn: number }[] = []
  app.post('/:index', async ({ params }) => {
    began.push({ index: Number((params as { index: string }).index), turn })
  })
  const answers = await Promise.all(
    payloads.map((payload, index) =>
      app.inject({
        method: 'POST',
        url: `/${index}`,
        headers: { 'content-type': 'application/json' },
        payload,
      }),
    ),
  )
  isOver = true
  return { began, statuses: answers.map(({ statusCode }) => statusCode) }
}

const listOf = (bytes: number): string =>
  JSON.stringify({ texts: Array.from({ length: bytes / 1_000 }, () => 'x'.repeat(997)) })

test('of large bodies that arrive together one request goes on in a turn of the event loop', async () => {
  const payloads = Array.from({ length: 6 }, () => listOf(300_000))
  payloads[3] = 'x'.repeat(300_000)
  const { began, statuses } = await readBodies(payloads)
  expect(statuses.map((status) => status === 200)).toEqual([true, true, true, false, true, true])
  expect(new Set(began.map(({ turn }) => turn)).size).toBe(5)
})

test('a body of megabytes is read in pieces, and a shorter one is not kept waiting for it', async () => {
  const { began, statuses } = await readBodies([listOf(6_000_000), listOf(300_000), '{"text":"a"}'])
  expect(statuses).toEqual([200, 200, 200])
  expect(began.map(({ index }) => index)).toEqual([2, 1, 0])
  // Scanned, and parsed, 128 KiB in a turn.
  expect((began[2]?.turn ?? 0) - (began[1]?.turn ?? 0)).toBeGreaterThan(60)
})

test('a large body whose client has hung up is read no further', async () => {
  const app = fastify({ bodyLimit: 8_388_608 })
  acceptJson(app)
  let began = 0
  const given = Promise.withResolvers<Error>()
  app.post('/', async () => {
    began += 1
  })
  app.addHook('onError', async (_request, _reply, error) => given.resolve(error))
  app.addHook('preParsing', async ({ raw }) => {
    raw.once('end', () => raw.socket.destroy())
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  client.on('error', () => {})
  const body = listOf(6_000_000)
  client.write(
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  expect((await given.promise).message).toContain('The client went away.')
  expect(began).toBe(0)
  await app.close()
})
