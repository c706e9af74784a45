import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { selfSigned } from '../../test/support/self-signed.ts'
import { type SendOptions, sendWebhook, type WebhookAnswer } from './request.ts'
import { parseTarget } from './target.ts'
import { createTargetAddresses } from './target-address.ts'

const loopback = createTargetAddresses(['127.0.0.1'])
const never = new AbortController().signal
const closing: (() => void)[] = []

afterEach(() => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0)) close()
})

/** Listens on 127.0.0.1; its sockets are cut when the test is over. */
async function listen(server: net.Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** A receiver that does as it is told, and notes what came. */
async function receiver(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const got: { url: string; host: string | undefined; body: string; ports: number }[] = []
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    got.push({
      url: request.url ?? '',
      host: request.headers.host,
      body,
      ports: request.socket.remotePort ?? 0,
    })
    answer(request, response)
  })
  return { port: await listen(server), got }
}

function ok(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(204).end()
}

function send(
  url: string,
  options: Partial<SendOptions> & { readonly signal?: AbortSignal } = {},
): Promise<WebhookAnswer> {
  const rules = { addresses: loopback, allowHttp: true }
  const parsed = parseTarget(url, rules)
  if ('fault' in parsed) throw new Error(parsed.fault)
  return sendWebhook(
    {
      target: parsed.target,
      headers: { 'webhook-id': 'm' },
      body: '{"a":1}',
      signal: options.signal ?? never,
    },
    { rules, resolve: async () => ['127.0.0.1'], deadlineMs: 10_000, ...options },
  )
}

describe('one webhook', () => {
  test('arrives whole, at the name it was addressed to, on a connection of its own', async () => {
    const { port, got } = await receiver(ok)
    const url = `http://hooks.example:${port}/in?x=1`
    expect(await send(url)).toEqual({ status: 204, retryAfter: null })
    await send(url)
    expect(got).toMatchObject([
      { url: '/in?x=1', host: `hooks.example:${port}`, body: '{"a":1}' },
      { url: '/in?x=1' },
    ])
    expect(got[0]?.ports).not.toBe(got[1]?.ports)
  })

  test('goes past the proxies that the environment names', async () => {
    const proxy = await receiver(ok)
    const { port, got } = await receiver(ok)
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'])
      vi.stubEnv(name, `http://127.0.0.1:${proxy.port}`)
    vi.stubEnv('NODE_USE_ENV_PROXY', '1')
    await send(`http://hooks.example:${port}/`)
    expect(got).toHaveLength(1)
    expect(proxy.got).toHaveLength(0)
  })

  test('tells how long the receiver asks to be left alone', async () => {
    const { port } = await receiver((_, response) => response.writeHead(503, { 'retry-after': '120' }).end())
    expect(await send(`http://127.0.0.1:${port}/`)).toEqual({ status: 503, retryAfter: '120' })
  })
})

describe('an address that may not be reached', () => {
  test('is not connected to: neither a name that has only such, nor one that becomes so between two questions', async () => {
    const { port, got } = await receiver(ok)
    const connect = vi.spyOn(net.Socket.prototype, 'connect')
    closing.push(() => connect.mockRestore())
    const strict = { addresses: createTargetAddresses([]), allowHttp: true }
    for (const found of [
      ['127.0.0.1'],
      ['10.0.0.1', '::1', '::ffff:127.0.0.1', 'fe80::1%lo', '64:ff9b::7f00:1'],
    ]) {
      const sent = send(`http://hooks.example:${port}/`, { rules: strict, resolve: async () => found })
      await expect(sent).rejects.toMatchObject({ reason: 'address_denied' })
    }
    expect(connect).not.toHaveBeenCalled()
    expect(got).toHaveLength(0)
  })

  test('is left out where the name has another; the name is asked for once, and its later answers count for nothing', async () => {
    const { port, got } = await receiver(ok)
    const secret = net.createServer(() => expect.unreachable('the second address was connected to'))
    await new Promise<void>((resolve) => secret.listen(port, '127.0.0.2', resolve))
    closing.push(() => secret.close())
    const resolve = vi.fn(async () => ['127.0.0.2']).mockResolvedValueOnce(['127.0.0.2', '127.0.0.1'])
    expect(await send(`http://hooks.example:${port}/`, { resolve })).toMatchObject({ status: 204 })
    expect(resolve).toHaveBeenCalledTimes(1)
    expect(got).toHaveLength(1)
    await expect(send(`http://hooks.example:${port}/`, { resolve })).rejects.toMatchObject({
      reason: 'address_denied',
    })
  })

  test('is looked for in the answer, not in the name server that gave it: no address, no connection', async () => {
    await expect(send('http://hooks.example/', { resolve: async () => [] })).rejects.toMatchObject({
      reason: 'name_unresolved',
    })
  })

  test('a redirect to it is not followed, nor any other', async () => {
    const inner = await receiver(ok)
    const { port } = await receiver((_, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${inner.port}/admin` }).end(),
    )
    expect(await send(`http://127.0.0.1:${port}/`)).toMatchObject({ status: 307 })
    expect(inner.got).toHaveLength(0)
  })
})

describe('a receiver that', () => {
  test('sends its head byte by byte is left when the time is over', async () => {
    const port = await listen(
      net.createServer((socket) => {
        const drip = setInterval(() => socket.write('H'), 5)
        socket.on('error', () => {}).on('close', () => clearInterval(drip))
        socket.write('HTTP/1.1 200 OK\r\nX: ')
      }),
    )
    await expect(send(`http://127.0.0.1:${port}/`, { deadlineMs: 100 })).rejects.toMatchObject({
      reason: 'timeout',
    })
  })

  test('never answers, or a name server that does not, is left as soon', async () => {
    const port = await listen(net.createServer((socket) => socket.on('error', () => {})))
    const silent = [
      send(`http://127.0.0.1:${port}/`, { deadlineMs: 50 }),
      send('http://hooks.example/', { deadlineMs: 50, resolve: () => new Promise(() => {}) }),
    ]
    for (const sent of silent) await expect(sent).rejects.toMatchObject({ reason: 'timeout' })
  })

  test('answers without end has answered, and is cut off', async () => {
    let sent = 0
    const closed = Promise.withResolvers<void>()
    const { port } = await receiver((_, response) => {
      response.writeHead(200)
      const chunk = Buffer.alloc(16_384)
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', more).on('close', closed.resolve)
      more()
    })
    expect(await send(`http://127.0.0.1:${port}/`)).toMatchObject({ status: 200 })
    await closed.promise
    // What lay in the buffers between the two, not what it would have sent.
    expect(sent).toBeLessThan(64 * 1024 * 1024)
  })

  test('begins a body and stops has answered, and is cut off', async () => {
    const closed = Promise.withResolvers<void>()
    const { port } = await receiver((_, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('a')
      response.on('close', closed.resolve)
    })
    expect(await send(`http://127.0.0.1:${port}/`)).toMatchObject({ status: 200 })
    await closed.promise
  })

  test.each([
    ['closes the connection', (socket: Socket) => socket.end()],
    ['resets it', (socket: Socket) => socket.resetAndDestroy()],
    ['speaks something else', (socket: Socket) => socket.write('220 mail.example ESMTP\r\n')],
    [
      'sends too large a head',
      (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`),
    ],
    [
      'wants another protocol',
      (socket: Socket) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    ],
  ])('%s is a failed connection', async (_what, act) => {
    const port = await listen(
      net.createServer((socket) => socket.on('error', () => {}).once('data', () => act(socket))),
    )
    await expect(send(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ reason: 'connection' })
  })

  test('is not there is a failed connection; the failure says nothing of where', async () => {
    const server = net.createServer()
    const port = await listen(server)
    await new Promise((resolve) => server.close(resolve))
    const failure = await send(`http://127.0.0.1:${port}/token`).catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({ reason: 'connection' })
    expect(failure).not.toHaveProperty('cause')
    expect(String(failure)).toBe('DeliveryFailure: the webhook was not delivered: connection')
  })
})

describe('over TLS', () => {
  const { key, cert } = selfSigned('hooks.example')

  async function secure() {
    const names: (string | false | undefined)[] = []
    const server = https.createServer({ key, cert }, (request, response) => {
      names.push('servername' in request.socket ? (request.socket.servername as string) : undefined)
      response.writeHead(200).end(request.headers.host)
    })
    return { port: await listen(server), names }
  }

  test('the certificate is held against the name, whatever address it led to', async () => {
    const { port, names } = await secure()
    expect(await send(`https://hooks.example.:${port}/`, { ca: cert })).toMatchObject({ status: 200 })
    expect(names).toEqual(['hooks.example'])
    for (const host of ['other.example', '127.0.0.1']) {
      await expect(send(`https://${host}:${port}/`, { ca: cert })).rejects.toMatchObject({ reason: 'tls' })
    }
  })

  test('a certificate of an unknown authority is not believed, even where the environment would', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const { port, names } = await secure()
    await expect(send(`https://hooks.example:${port}/`)).rejects.toMatchObject({ reason: 'tls' })
    expect(names).toEqual([])
  })

  test('a receiver that does not speak it is refused', async () => {
    const { port } = await receiver(ok)
    await expect(send(`https://hooks.example:${port}/`)).rejects.toMatchObject({ reason: 'tls' })
  })
})

describe('a process that ends', () => {
  test('breaks off what is under way, and begins nothing', async () => {
    const stop = new AbortController()
    const { port } = await receiver(() => stop.abort())
    const url = `http://127.0.0.1:${port}/`
    await expect(send(url, { signal: stop.signal })).rejects.toMatchObject({ reason: 'stopped' })
    const resolve = vi.fn(async () => ['127.0.0.1'])
    await expect(send(url, { signal: stop.signal, resolve })).rejects.toMatchObject({ reason: 'stopped' })
    expect(resolve).not.toHaveBeenCalled()
  })
})
