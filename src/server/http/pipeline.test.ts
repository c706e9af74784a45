import { once } from 'node:events'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { lingerOverBody } from '../../guard/node/lingering-close.ts'
import { createHttpServer } from './http-server.ts'
import { refuseConnection } from './refuse-connection.ts'

let server: Server | undefined
let client: Socket | undefined

afterEach(() => {
  vi.useRealTimers()
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

test('a body in chunks of a byte arrives whole, and leaves turns of the event loop to others', async () => {
  const size = 500_000
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns += 1
    if (!isOver) setImmediate(count)
  }
  const socket = await connectTo((request, response) => {
    let bytes = 0
    setImmediate(count)
    request.on('data', (piece: Buffer) => {
      bytes += piece.length
    })
    request.on('end', () => {
      isOver = true
      response.end(`<${bytes}>`)
    })
  })
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
  socket.write(`${'1\r\nx\r\n'.repeat(size)}0\r\n\r\n${get(1)}`)
  let text = ''
  while (!text.includes('<0>')) text += String(await once(socket, 'data'))
  // The request behind it is answered, too.
  expect(text).toMatch(new RegExp(`<${size}>[^]*<0>`))
  expect(turns).toBeGreaterThan((size * 6) / 16_384 - 2)
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
  // One read of Node's, and one that its stream asks for ahead.
  expect(before).toBeLessThanOrEqual(2 * 65_536)
})

test.each([
  ['', ''],
  [' behind a body', post(0, 'x'.repeat(200_000))],
  [
    ' behind a body in chunks',
    `POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${'5\r\nabcde\r\n'.repeat(20_000)}0\r\n\r\n`,
  ],
])(
  'of a connection sixteen requests%s wait at most, however many it sends and has answered',
  async (_where, before) => {
    let begun = 0
    let parsed = 0
    let most = 0
    const socket = await connectTo(async (request, response) => {
      begun += 1
      for await (const _piece of request);
      response.end('.')
    })
    server?.on('request', () => {
      parsed += 1
      most = Math.max(most, parsed - begun)
    })
    const sent = 10_000
    socket.resume()
    socket.write(before + 'GET / HTTP/1.1\r\n\r\n'.repeat(sent))
    while (begun < sent) await new Promise(setImmediate)
    expect(most).toBeGreaterThan(10)
    // And what else its last 1,024 bytes held, which were parsed at once.
    expect(most).toBeLessThanOrEqual(16 + 1_024 / 18)
  },
)

test('a client that reads late is answered all that it asked for', async () => {
  const size = 2_000_000
  let accepted: Socket | undefined
  let begun = 0
  const socket = await connectTo((request, response) => {
    accepted = request.socket
    begun += 1
    response.end(`<${request.url}>`.padEnd(size))
  })
  const sendFive = (from: number): unknown =>
    socket.write([0, 1, 2, 3, 4].map((index) => get(from + index)).join(''))
  socket.pause()
  sendFive(0)
  while (begun < 5) await new Promise(setImmediate)
  // The first answers fill the connection: Node holds it up at the next request, and yet none waits
  // to begin.
  expect(accepted?.writableNeedDrain).toBe(true)
  sendFive(5)
  while (begun < 10) await new Promise(setImmediate)
  const { bytesRead } = accepted as unknown as Socket
  sendFive(10)
  while (accepted?.bytesRead === bytesRead) await new Promise(setImmediate)
  let text = ''
  let length = 0
  socket.on('data', (piece) => {
    length += piece.length
    text += String(piece).trim()
  })
  socket.resume()
  while (length < 15 * size) await once(socket, 'data')
  expect([...text.matchAll(/<\/(\d+)>/g)].map(([, index]) => Number(index))).toEqual(
    Array.from({ length: 15 }, (_, index) => index),
  )
})

test('requests that wait when their client closes its side are served', async () => {
  let begun = 0
  const socket = await connectTo((_request, response) => {
    begun += 1
    setImmediate(() => response.end())
  })
  const sent = 400
  socket.resume()
  socket.end(get(0).repeat(sent))
  while (begun < sent) await new Promise(setImmediate)
  await once(socket, 'close')
  expect(begun).toBe(sent)
})

test('nothing behind a malformed head is parsed', async () => {
  let seen = 0
  const socket = await connectTo(() => undefined)
  server?.on('clientError', (_error, refused) => {
    seen += 1
    refuseConnection({}, refused)
  })
  socket.resume()
  socket.end(Buffer.alloc(60_000, 'no head '))
  await once(socket, 'close')
  expect(seen).toBe(1)
})

test('every answer under way is over with its connection, not only the one whose turn it is', async () => {
  const open: ServerResponse[] = []
  const came = Promise.withResolvers<void>()
  const socket = await connectTo((_request, response) => {
    if (open.push(response) === 3) came.resolve()
  })
  socket.write(get(0).repeat(3))
  await came.promise
  const closed = Promise.all(open.map((response) => once(response, 'close')))
  open[0]?.socket?.destroy()
  await closed
  expect(open.map((response) => response.closed)).toEqual([true, true, true])
})

test('what comes behind a CONNECT is thrown away', async () => {
  let begun = 0
  const socket = await connectTo(() => {
    begun += 1
  })
  socket.end(`CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n${get(0).repeat(3_000)}`)
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 405 /)
  await once(socket, 'close')
  expect(begun).toBe(0)
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

test('a refused body ends its connection as soon as all of it has come', async () => {
  const ended = Promise.withResolvers<void>()
  await connectTo((request, response) => {
    lingerOverBody(request)
    request.socket.once('close', () => ended.resolve())
    response.writeHead(401, { connection: 'close' }).end()
  })
  const { port } = (server as Server).address() as AddressInfo
  // Else it would end the connection, half a minute later.
  if (server !== undefined) server.requestTimeout = 0
  // One that does not close its side when the server has closed its own.
  const halfOpen = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  halfOpen.on('error', () => {})
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  try {
    halfOpen.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n')
    expect(String((await once(halfOpen, 'data'))[0])).toMatch(/^HTTP\/1.1 401 /)
    halfOpen.resume().write(Buffer.alloc(300_000))
    await ended.promise
  } finally {
    vi.useRealTimers()
    halfOpen.destroy()
  }
})

test('a body that is not read yet stays whole while what comes behind it is thrown away', async () => {
  // A second after it is refused nothing is thrown away any more, but cut off.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const sent = Array.from({ length: 4_000 }, (_, index) => `${index},`).join('')
  let body = ''
  let accepted: Socket | undefined
  const socket = await connectTo(async (request, response) => {
    accepted = request.socket
    while (request.socket.bytesRead < 600_000) await new Promise(setImmediate)
    for await (const piece of request) body += piece
    response.end('read')
  })
  server?.on('clientError', (_error, refused) => refuseConnection({}, refused))
  socket.write(post(0, sent))
  while (accepted === undefined) await new Promise(setImmediate)
  socket.write(Buffer.alloc(1_000_000, 'no head '))
  expect(String((await once(socket, 'data'))[0])).toContain('read')
  expect(body).toBe(sent)
})

test('a connection that closes while a hundred of its requests wait makes no stack trace of each', async () => {
  const came = Promise.withResolvers<ServerResponse>()
  const socket = await connectTo((_request, response) => came.resolve(response))
  socket.write(get(0).repeat(300))
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

test.each([
  ['refused bodies', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n`],
  ['what comes behind malformed heads', 'no head\r\n\r\n'],
])(
  'of %s a bounded part is read in a turn of the event loop, however many there are',
  async (_what, head) => {
    // A slow machine would have them cut, a second after they were answered.
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    const accepted: Socket[] = []
    const socket = await connectTo((request, response) => {
      lingerOverBody(request)
      response.writeHead(401, { connection: 'close' }).end()
    })
    server?.on('connection', (one) => accepted.push(one))
    server?.on('clientError', (_error, refused) => refuseConnection({}, refused))
    const { port } = (server as Server).address() as AddressInfo
    const clients = [socket]
    while (clients.length < 20) clients.push(connect(port, '127.0.0.1'))
    for (const one of clients) one.on('error', () => {}).write(head)
    while (accepted.filter(({ writableEnded }) => writableEnded).length < 20) await new Promise(setImmediate)
    const sumRead = (): number => accepted.reduce((sum, { bytesRead }) => sum + bytesRead, 0)
    let before = sumRead()
    // Each is read once before they take turns.
    const onceMax = before + 20 * 65_536
    // Of turns whose connections had not sent as much by then: each is read once, as it comes.
    let unused = 0
    const unusedMax = (20 - 8) * 65_536
    for (const one of clients) one.write(Buffer.alloc(4_000_000))
    while (before < 40_000_000) {
      await new Promise(setImmediate)
      const read = sumRead() - before
      const isOnce = before < onceMax
      expect(read).toBeLessThanOrEqual((isOnce ? 20 : 8) * 65_536 + unused)
      unused = isOnce ? 0 : Math.min(unused + 8 * 65_536 - read, unusedMax)
      before += read
    }
    for (const one of clients) one.destroy()
  },
)
