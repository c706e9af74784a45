import { once } from 'node:events'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { createHttpServer } from './http-server.ts'
import { refuseConnection } from './refuse-connection.ts'

let server: Server | undefined

afterEach(() => {
  server?.close()
})

const whole = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}'

async function open(handler: RequestListener): Promise<Socket> {
  server = createHttpServer(handler, { headersMax: 16_384, requestTimeout: 30_000 })
  server.on('clientError', refuseConnection)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return connect((server.address() as AddressInfo).port, '127.0.0.1')
}

/** Answers the held requests once what came behind them was refused. */
function answersOf(received: string): readonly string[] {
  return received.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(-3)) ?? []
}

test.each([
  ['garbage', 'garbage\r\n\r\n'],
  ['a head that is too large', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
])('the answer to %s comes after those of the requests before it', async (_what, behind) => {
  const held: ServerResponse[] = []
  const client = await open((_request, response) => void held.push(response))
  const refused = new Promise<void>((resolve) => {
    server?.once('clientError', () => resolve())
    server?.once('connect', () => resolve())
  })
  client.write(whole + whole + behind)
  await refused
  while (held.length < 2) await new Promise(setImmediate)
  const received = text(client)
  // The later one is ready first.
  for (const response of held.toReversed()) response.end('done')
  expect(answersOf(await received)).toEqual(['200', '200', expect.stringMatching(/^4/)])
  expect(held).toHaveLength(2)
})

test('an answer that has begun is finished before what came behind it is refused', async () => {
  let held: ServerResponse | undefined
  const client = await open((_request, response) => {
    held = response
    response.write('half')
  })
  const refused = once(server as Server, 'clientError')
  client.write(`${whole}garbage\r\n\r\n`)
  await refused
  const received = text(client)
  held?.end(' and whole')
  expect(await received).toMatch(/half[\s\S]* and whole[\s\S]*HTTP\/1\.1 400/)
})

test('a request that breaks off in its own body is refused at once', async () => {
  const client = await open(() => {})
  client.write('POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n')
  expect(answersOf(await text(client))).toEqual(['400'])
})
