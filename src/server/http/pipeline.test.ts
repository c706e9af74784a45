import { once } from 'node:events'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createHttpServer } from './http-server.ts'

let server: Server | undefined
let client: Socket | undefined

afterEach(() => {
  client?.destroy()
  server?.close()
})

async function connectTo(handler: RequestListener): Promise<Socket> {
  server = createHttpServer(handler, { headersMax: 16_384, requestTimeout: 30_000 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => {})
  return client
}

const get = (index: number): string => `GET /${index} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const post = (index: number, body: string): string =>
  `POST /${index} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`

test('of a connection sixteen requests are worked on at once, and all are answered in their order', async () => {
  const open: ServerResponse[] = []
  let most = 0
  const came = Promise.withResolvers<void>()
  const socket = await connectTo((_request, response) => {
    most = Math.max(most, open.push(response))
    if (open.length === 16) came.resolve()
  })
  const sent = 400
  socket.write(Array.from({ length: sent }, (_, index) => get(index)).join(''))
  await came.promise
  let text = ''
  socket.on('data', (piece) => {
    text += piece
  })
  for (let answered = 0; answered < sent; answered += 1) {
    while (open.length === 0) await new Promise(setImmediate)
    const response = open.shift() as ServerResponse
    response.end(`<${answered}>`)
  }
  while (!text.includes(`<${sent - 1}>`)) await once(socket, 'data')
  expect([...text.matchAll(/<(\d+)>/g)].map(([, index]) => Number(index))).toEqual(
    Array.from({ length: sent }, (_, index) => index),
  )
  expect(most).toBe(16)
})

test('a connection whose requests wait is not read on, whatever it sends', async () => {
  let first: ServerResponse | undefined
  const socket = await connectTo((_request, response) => {
    first ??= response
  })
  const all = Buffer.from(get(0).repeat(400_000))
  socket.write(all)
  while (first === undefined) await new Promise(setImmediate)
  const { socket: accepted } = first
  let before = -1
  // Until a while has brought no more.
  while (before !== accepted?.bytesRead) {
    before = accepted?.bytesRead ?? 0
    for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate)
  }
  // One read of Node's.
  expect(before).toBeLessThanOrEqual(65_536)
})

test('bodies behind the sixteenth request arrive whole', async () => {
  const bodies: string[] = []
  const socket = await connectTo(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    bodies.push(body)
    response.end(`<${body.length}>`)
  })
  const lengths = Array.from({ length: 40 }, (_, index) => 1 + index * 7_001)
  socket.write(lengths.map((length, index) => post(index, 'x'.repeat(length))).join(''))
  let text = ''
  while (!text.includes(`<${lengths.at(-1)}>`)) text += (await once(socket, 'data'))[0]
  expect(bodies.map(({ length }) => length)).toEqual(lengths)
})

test('a connection that closes while a thousand of its requests wait makes no stack trace of each', async () => {
  const came = Promise.withResolvers<ServerResponse>()
  const socket = await connectTo((_request, response) => came.resolve(response))
  socket.write(get(0).repeat(1_000))
  const first = await came.promise
  const gone = once(socket, 'close')
  socket.destroy()
  await gone
  const before = Error.stackTraceLimit
  const prepare = Error.prepareStackTrace
  let frames = 0
  Error.prepareStackTrace = (_error, sites) => {
    frames += sites.length
    return ''
  }
  try {
    const closed = new Promise((resolve) => first.socket?.once('close', resolve))
    // A connection that is not read learns of its end as it writes.
    first.on('error', () => {})
    first.socket?.on('error', () => {})
    first.write('a')
    setImmediate(() => first.end('b'))
    await closed
  } finally {
    Error.prepareStackTrace = prepare
  }
  expect(frames).toBeLessThan(100)
  expect(Error.stackTraceLimit).toBe(before)
})

test('however many connections send however much, others are answered between their requests', async () => {
  let served = 0
  let isOver = false
  const socket = await connectTo((request, response) => {
    if (request.url === '/other') isOver = true
    else if (!isOver) served += 1
    response.end()
  })
  const { port } = (server as Server).address() as AddressInfo
  const flood = [socket]
  while (flood.length < 20) flood.push(connect(port, '127.0.0.1'))
  for (const one of flood) one.on('error', () => {}).write(get(0).repeat(1_000))
  while (served === 0) await new Promise(setImmediate)
  const other = connect(port, '127.0.0.1')
  other.write('GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(other, 'data')
  expect(served).toBeLessThan(2_000)
  for (const one of [other, ...flood]) one.destroy()
})
