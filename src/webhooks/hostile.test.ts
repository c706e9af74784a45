import net, { type AddressInfo, type Socket } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sendWebhook } from './request.ts'
import { createTargetAddresses } from './target-address.ts'

/** Pieces that a receiver's answer may be put together from, right and wrong ones. */
const pieces = [
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.0 500\r\n\r\n',
  'HTTP/9.9 999 ?\r\n\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: -1\r\n',
  'Content-Encoding: gzip\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: keep-alive\r\n',
  'Retry-After: \u0000\r\n',
  '\r\n',
  '5\r\nhello\r\n',
  'ffffffffffffffff\r\n',
  '0\r\nTrailer: x\r\n\r\n',
  '\u0000\u0001\u0002',
  '\u0016\u0003\u0001',
] as const

const endings = ['end', 'reset', 'hold'] as const

function finish(socket: Socket, how: (typeof endings)[number]): void {
  if (how === 'end') socket.end()
  if (how === 'reset') socket.resetAndDestroy()
}

// An error without a listener ends the process, and Vitest reports it: the test fails then, too.
test('whatever a receiver sends, and however it ends, an attempt comes to a status or a failure, in time', async () => {
  const script = fc.record({
    parts: fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 50 })), {
      maxLength: 8,
    }),
    ending: fc.constantFrom(...endings),
    isEarly: fc.boolean(),
  })
  const sockets = new Set<Socket>()
  let plan: { parts: readonly string[]; ending: (typeof endings)[number]; isEarly: boolean }
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    const act = (): void => {
      for (const part of plan.parts) socket.write(part, 'latin1')
      finish(socket, plan.ending)
    }
    if (plan.isEarly) act()
    else socket.once('data', act)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const request = {
    target: { isTls: false, host: '127.0.0.1', port, path: '/' },
    headers: {},
    body: '{}',
    signal: new AbortController().signal,
  }
  const options = {
    rules: { addresses: createTargetAddresses(['127.0.0.1']), allowHttp: true },
    resolve: async () => [],
    deadlineMs: 50,
  }
  await fc.assert(
    fc.asyncProperty(script, async (next) => {
      plan = next
      const outcome = await sendWebhook(request, options).catch((thrown: unknown) => thrown)
      if (outcome instanceof Error)
        expect(outcome).toMatchObject({ reason: expect.stringMatching(/^(?:connection|timeout)$/) })
      else expect(outcome).toMatchObject({ status: expect.any(Number) })
    }),
    { numRuns: 300 },
  )
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})
