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

/** Asks once, and reads nothing unless told to. */
async function ask(handler: RequestListener, stallTimeoutMs: number): Promise<Socket> {
  server = createHttpServer(handler, { headersMax: 16_384, requestTimeout: 30_000, stallTimeoutMs })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  client.on('error', () => {})
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  return client
}

/** More than what the machine's own buffers take. */
const large = Buffer.alloc(64 * 1_048_576, 'a')

test('a client that takes nothing of a large answer is cut off, and its answer is let go of', async () => {
  const answered = Promise.withResolvers<ServerResponse>()
  await ask((_request, response) => {
    response.end(large)
    answered.resolve(response)
  }, 50)
  const response = await answered.promise
  await once(response, 'close')
  expect(response.writableFinished).toBe(false)
})

test('a client that waits for its answer is not, however long that takes', async () => {
  const socket = await ask((_request, response) => {
    // The listener that cuts off comes first.
    response.once('timeout', () => response.end('late'))
  }, 50)
  socket.resume()
  const [piece] = await once(socket, 'data')
  expect(String(piece)).toContain('late')
})
