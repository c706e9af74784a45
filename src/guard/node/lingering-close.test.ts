import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lingerOverBody } from './lingering-close.ts'

/** Refuses every request from its head, as a guard does. */
const server = createServer((request, response) => {
  if (lingerOverBody(request)) response.setHeader('connection', 'close')
  response.writeHead(401, { 'content-length': 2 }).end('no')
})
server.on('checkContinue', (request, response) => server.emit('request', request, response))

let socket: Socket
let received = ''

beforeEach(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  received = ''
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1')
  })
})

afterEach(async () => {
  vi.useRealTimers()
  socket.destroy()
  server.close()
  await once(server, 'close')
})

async function until(hasArrived: () => boolean): Promise<void> {
  while (!hasArrived()) await once(socket, 'data')
}

const answers = () => received.split('HTTP/1.1 401').length - 1

test('a refusal with a short body keeps the connection: the next request is answered on it', async () => {
  for (const expected of [1, 2, 3]) {
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello')
    await until(() => answers() === expected)
  }
  expect(received).not.toContain('connection: close')
})

test.each([
  ['announces a long body and withholds it', 'content-length: 1000000'],
  ['announces a body of unknown length and withholds it', 'transfer-encoding: chunked'],
  ['waits for 100 Continue', 'content-length: 5\r\nexpect: 100-continue'],
])('a client that %s gets the refusal, and then the end of the connection', async (_, header) => {
  const ended = once(socket, 'end')
  socket.write(`POST / HTTP/1.1\r\nhost: a\r\n${header}\r\n\r\n`)
  await ended
  expect(answers()).toBe(1)
  expect(received).toMatch(/connection: close/i)
  expect(received).not.toContain('100 Continue')
})

test('a client busy sending a long body reads the refusal, not a reset', async () => {
  // A second after the refusal it would be cut off, however busy the machine is.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const body = Buffer.alloc(8 * 1_048_576)
  const ended = once(socket, 'end')
  socket.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`)
  socket.write(body)
  await ended
  expect(answers()).toBe(1)
})
