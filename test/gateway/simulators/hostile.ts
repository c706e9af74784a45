import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { selfSigned } from '../../support/self-signed.ts'
import { event } from './words.ts'

/** One request as it came over the wire, and what can be done to its connection. */
export interface HostileRequest {
  readonly text: string
  /** How many requests this connection has brought, this one included. */
  readonly number: number
  readonly write: (bytes: string | Buffer) => Promise<void>
  /** Ends as TCP does it properly. */
  readonly end: () => void
  /** Ends as a process does that is killed. */
  readonly reset: () => void
  /** Resolves once the gateway has closed it. */
  readonly closed: Promise<void>
  /** Resolves once the test says `next`. */
  readonly turn: () => Promise<void>
}

export type Behaviour = (request: HostileRequest) => void | Promise<void>

/** A server over raw TCP that does one thing wrong. */
export interface HostileServer extends AsyncDisposable {
  readonly url: string
  readonly requests: readonly HostileRequest[]
  /** Resolves with the next request that has not been awaited yet. */
  readonly request: () => Promise<HostileRequest>
  readonly connections: () => number
  /** Lets a behaviour that goes by hand take its next step. */
  readonly next: () => void
  readonly close: () => Promise<void>
}

export interface HostileOptions {
  /** Speaks TLS with a certificate for `localhost`: one that has expired, or one that has not. */
  readonly tls?: ReturnType<typeof selfSigned>
}

export async function startHostile(
  behaviour: Behaviour,
  options: HostileOptions = {},
): Promise<HostileServer> {
  const requests: HostileRequest[] = []
  const sockets = new Set<Socket>()
  const waiting: ((request: HostileRequest) => void)[] = []
  const steps = createSteps()
  let awaited = 0

  function meet(socket: Socket): void {
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    let number = 0
    readRequests(socket, (text) => {
      number += 1
      const request: HostileRequest = {
        text,
        number,
        write: (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve())),
        end: () => void socket.end(),
        reset: () => void socket.resetAndDestroy(),
        closed,
        turn: steps.turn,
      }
      requests.push(request)
      const next = waiting.shift()
      if (next !== undefined) {
        awaited += 1
        next(request)
      }
      void behaviour(request)
    })
  }

  const server: Server =
    options.tls === undefined
      ? createServer(meet)
      : createTlsServer({ ...options.tls }, meet).on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function close(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }

  const { port } = server.address() as AddressInfo
  return {
    url: options.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    requests,
    request() {
      const ready = requests[awaited]
      if (ready === undefined) return new Promise((resolve) => waiting.push(resolve))
      awaited += 1
      return Promise.resolve(ready)
    },
    connections: () => sockets.size,
    next: steps.next,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Calls back with each request, head and body of the length that it says. */
function readRequests(socket: Socket, onRequest: (text: string) => void): void {
  let left = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    left += text
    for (;;) {
      const headEnd = left.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const length = Number(/content-length: (\d+)/i.exec(left.slice(0, headEnd))?.[1] ?? 0)
      const end = headEnd + 4 + length
      if (left.length < end) return
      onRequest(left.slice(0, end))
      left = left.slice(end)
    }
  })
}

function createSteps(): { readonly turn: () => Promise<void>; readonly next: () => void } {
  const asking: (() => void)[] = []
  let given = 0
  return {
    turn: () =>
      new Promise((resolve) => {
        if (given === 0) asking.push(resolve)
        else {
          given -= 1
          resolve()
        }
      }),
    next() {
      const go = asking.shift()
      if (go === undefined) given += 1
      else go()
    },
  }
}

export const sseHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

/** A whole answer, with a length that is right unless it is given. */
export function whole(
  status: number,
  body: string | Buffer,
  headers: readonly string[] = [],
  length?: number,
): Buffer {
  const bytes = Buffer.from(body)
  const lines = [`HTTP/1.1 ${status} Said`, ...headers, `content-length: ${length ?? bytes.length}`, '', '']
  return Buffer.concat([Buffer.from(lines.join('\r\n')), bytes])
}

/** A piece of a chunked body. */
export function chunk(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

const lastChunk = '0\r\n\r\n'

/** An event of a chat, and the ones that end it. */
export function said(content: string, members: Readonly<Record<string, unknown>> = {}): string {
  return event({
    id: 'c',
    object: 'chat.completion.chunk',
    model: 'm',
    choices: [{ index: 0, delta: { content } }],
    ...members,
  })
}

function usageEvent(used: unknown): string {
  return event({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices: [], usage: used })
}

/** The terminal event of a chat. */
export const done = event('[DONE]')

/** What the upstreams here have used, where they say it. */
export const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

/** Streams these events, each in a chunk of its own, and ends properly. */
function streams(events: Iterable<string>): Behaviour {
  return async ({ write }) => {
    await write(sseHead)
    for (const one of events) await write(chunk(one))
    await write(lastChunk)
  }
}

function answers(status: number, body: string, ...headers: readonly string[]): Behaviour {
  return ({ write }) => write(whole(status, body, ['content-type: application/json', ...headers]))
}

/** Behaves so once the test says it. */
export function held(behaviour: Behaviour) {
  const asked = Promise.withResolvers<void>()
  const word = Promise.withResolvers<void>()
  const waits: Behaviour = async (request) => {
    asked.resolve()
    await word.promise
    await behaviour(request)
  }
  return { behaviour: waits, asked: asked.promise, answer: word.resolve }
}

/** Streams these events, and is gone. */
function diesBehind(...events: readonly (string | Buffer)[]): Behaviour {
  return async ({ write, reset }) => {
    await write(sseHead)
    for (const one of events) await write(chunk(one))
    reset()
  }
}

/** The first four bytes of it are not a character of UTF-8. */
const halfCharacter = Buffer.from(said('😀')).subarray(0, said('😀').indexOf('😀') + 2)

/** A key that no client may see, in what an upstream says of its own fault. */
export const leakedKey = 'sk-upstream-0123456789abcdef'

const trace = JSON.stringify({ error: { message: `Traceback: at /srv/app.py line 3, key ${leakedKey}` } })

const megabyte = 'x'.repeat(1024 * 1024)

/** What an upstream may do, by name: section 16 of the contract. */
export const hostile = {
  'says nothing': () => {},
  'says nothing after the head': async ({ write }) => write(sseHead),
  'dies before the head': ({ reset }) => reset(),
  'closes before the head': ({ end }) => end(),
  'dies in the head': async ({ write, reset }) => {
    await write('HTTP/1.1 200 OK\r\ncontent-ty')
    reset()
  },
  'dies after the head': diesBehind(),
  'dies in an event': diesBehind(said('one'), said('two').slice(0, 20)),
  'dies in a character': diesBehind(said('one'), halfCharacter),
  'dies before the terminal event': diesBehind(said('one'), said('two')),
  'dies behind the terminal event': diesBehind(said('one'), done),
  'closes before the terminal event': streams([said('one'), said('two')]),
  'stays open in the middle': async ({ write }) => {
    await write(sseHead)
    await write(chunk(said('one')))
  },
  'stays open behind the terminal event': async ({ write }) => {
    await write(sseHead)
    await write(chunk(said('one') + done))
  },
  'closes the kept connection as a call goes out': async ({ number, write, reset }) => {
    if (number === 1) await write(whole(200, '{}', ['content-type: application/json']))
    else reset()
  },
  'sends 103 first': async ({ write }) => {
    await write('HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n')
    await write(whole(200, '{}', ['content-type: application/json']))
  },
  'sends 100 unasked': async ({ write }) => {
    await write('HTTP/1.1 100 Continue\r\n\r\n')
    await write(whole(200, '{}', ['content-type: application/json']))
  },
  'upgrades unasked': async ({ write }) =>
    write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'),
  'answers 204': async ({ write }) => write('HTTP/1.1 204 No Content\r\n\r\n'),
  'answers 301': answers(301, '', 'location: http://169.254.169.254/latest/meta-data/'),
  'answers 401': answers(401, '{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}'),
  'answers 403': answers(403, '{"error":{"message":"Country not supported"}}'),
  'answers 429': answers(429, '{"error":{"message":"slow down"}}'),
  'answers 429 with Retry-After': answers(429, '{"error":{"message":"slow down"}}', 'retry-after: 7'),
  'answers 500 with a trace and a key': answers(500, trace),
  'answers 503': answers(503, '{"error":"busy"}', 'retry-after: 3'),
  'answers text/html': ({ write }) =>
    write(whole(200, '<html>Welcome to nginx</html>', ['content-type: text/html'])),
  'answers JSON to a stream': answers(
    200,
    JSON.stringify({ choices: [{ message: { content: 'one' } }], usage }),
  ),
  'answers a stream to JSON': streams([said('one'), usageEvent(usage), done]),
  'says a length that is too long': async ({ write, end }) => {
    await write(whole(200, '{"a":1}', ['content-type: application/json'], 99))
    end()
  },
  'says a length that is too short': ({ write }) =>
    write(whole(200, '{"a":1}', ['content-type: application/json'], 3)),
  'says two lengths': ({ write }) => write(whole(200, '{"a":1}', ['content-length: 3'])),
  'is not HTTP': async ({ write }) => write('SSH-2.0-OpenSSH_9.6\r\n'),
  'has a head of 17 KiB': ({ write }) => write(whole(200, '{}', [`x-long: ${'a'.repeat(17 * 1024)}`])),
  'sends a byte at a time': async ({ write, turn }) => {
    await write(sseHead)
    for (const byte of said('one') + done) {
      await turn()
      await write(chunk(byte))
    }
    await write(lastChunk)
  },
  'sends 48 MB at once': async ({ write }) => {
    await write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${48 * megabyte.length}\r\n\r\n`,
    )
    for (let sent = 0; sent < 48; sent += 1) await write(megabyte)
  },
  'sends one event of 2 MiB': streams([said(megabyte + megabyte), done]),
  'ends lines with CRLF': streams(
    [said('one'), usageEvent(usage), done].map((one) => one.replaceAll('\n', '\r\n')),
  ),
  'says usage nowhere': streams([said('one'), said('two'), done]),
  'says usage in each event': streams([
    said('one', { usage: { ...usage, completion_tokens: 1 } }),
    said('two', { usage }),
    done,
  ]),
  'says usage null': streams([said('one', { usage: null }), said('two', { usage: null }), done]),
  'says negative usage': streams([
    said('one'),
    usageEvent({ prompt_tokens: -3, completion_tokens: -2 }),
    done,
  ]),
  'says usage as text': streams([
    said('one'),
    usageEvent({ prompt_tokens: '3', completion_tokens: '2' }),
    done,
  ]),
  'says usage beyond the bound': streams([
    said('one'),
    usageEvent({ prompt_tokens: 1_000_000, completion_tokens: 1_000_000 }),
    done,
  ]),
  'sends more events than the bound': streams([...Array.from({ length: 500 }, () => said('a')), done]),
} as const satisfies Readonly<Record<string, Behaviour>>

export type HostileName = keyof typeof hostile
