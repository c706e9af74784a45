import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type ModelServer, type StreamShape, writeShape } from './model-server.ts'

export interface StreamsAsked {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Clients at once, each on a connection of its own. */
  readonly clients: number
  /** Streams that each asks for, one behind the other. */
  readonly streams: number
  readonly shape: Omit<StreamShape, 'id'>
  /**
   * What a client does: read to the end, leave behind the first event, or read nothing for so many
   * milliseconds and leave then.
   */
  readonly does: 'read' | 'leave' | { readonly nothingForMs: number }
}

export interface StreamsSeen {
  /** Milliseconds from a request to the first byte of its first event. */
  readonly firstMs: readonly number[]
  /** Milliseconds from a client's end to that of the upstream's connection. */
  readonly goneMs: readonly number[]
  /** Streams that came with every event and a proper end. */
  readonly whole: number
}

/** Asks for streams over plain sockets, at the same cost whatever is measured. */
export async function askForStreams(model: ModelServer, asked: StreamsAsked): Promise<StreamsSeen> {
  const seen = { firstMs: [] as number[], goneMs: [] as number[], whole: 0 }
  const clients = Array.from({ length: asked.clients }, () => open(asked.port))
  const sockets = await Promise.all(clients)
  const one = async (socket: Socket, index: number): Promise<void> => {
    if (typeof asked.does === 'object') return readNothing(socket, asked, index, asked.does.nothingForMs)
    let current = socket
    for (let stream = 0; stream < asked.streams; stream += 1) {
      nextId += 1
      const id = nextId
      const got = await ask(current, asked, id, asked.does === 'leave')
      seen.firstMs.push(got.firstMs)
      if (got.isWhole) seen.whole += 1
      if (asked.does === 'leave') {
        seen.goneMs.push((await closedAt(model, id)) - got.leftAt)
        current = await open(asked.port)
      }
    }
    current.destroy()
  }
  await Promise.all(sockets.map(one))
  return seen
}

let nextId = 0

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  await once(socket, 'connect')
  return socket
}

function requestOf({ path, headers, shape }: StreamsAsked, id: number): string {
  const body = JSON.stringify({
    model: 'm',
    stream: true,
    max_tokens: Math.max(shape.events, 1),
    user: writeShape({ ...shape, id }),
    messages: [{ role: 'user', content: 'Why is the sky blue, and why is the sunset not? Be short.' }],
  })
  const lines = Object.entries({
    ...headers,
    host: '127.0.0.1',
    'content-type': 'application/json',
    'content-length': String(body.length),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

interface Got {
  readonly firstMs: number
  readonly leftAt: number
  readonly isWhole: boolean
}

function ask(socket: Socket, asked: StreamsAsked, id: number, leaves: boolean): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>()
  const pieces: string[] = []
  let firstMs: number | undefined
  const begun = performance.now()

  function read(bytes: Buffer): void {
    const piece = bytes.toString('latin1')
    pieces.push(piece)
    if (firstMs === undefined) {
      const text = pieces.join('')
      if (!text.startsWith('HTTP/1.1 200')) {
        end(new Error(`expected 200, got ${text.slice(0, 1_000)}`))
        return
      }
      if (!text.includes('data: {')) return
      firstMs = performance.now() - begun
      if (leaves) {
        end()
        socket.destroy()
        return
      }
    }
    if (piece.endsWith('\r\n0\r\n\r\n') || pieces.slice(-8).join('').endsWith('\r\n0\r\n\r\n')) end()
  }
  function closed(): void {
    end(new Error(`a stream was cut off: ${pieces.join('').slice(-1_000)}`))
  }
  function end(error?: Error): void {
    socket.off('data', read)
    socket.off('close', closed)
    if (error !== undefined) {
      reject(error)
      return
    }
    const text = pieces.join('')
    const events = text.split('data: {"id"').length - 1
    resolve({
      firstMs: firstMs ?? Number.NaN,
      leftAt: performance.now(),
      isWhole: !leaves && events === asked.shape.events && text.includes('data: [DONE]'),
    })
  }
  socket.on('data', read)
  socket.on('close', closed)
  socket.write(requestOf(asked, id))
  return promise
}

/** A stream that nothing reads fills what lies between; its memory is looked at meanwhile. */
async function readNothing(socket: Socket, asked: StreamsAsked, id: number, ms: number): Promise<void> {
  socket.on('error', () => {}).pause()
  socket.write(requestOf(asked, id))
  await new Promise((resolve) => setTimeout(resolve, ms))
  socket.destroy()
}

/** When the model server's connection was closed; a minute at most. */
async function closedAt({ closedAt: times }: ModelServer, id: number): Promise<number> {
  const until = performance.now() + 60_000
  for (;;) {
    const at = times.get(id)
    if (at !== undefined) return at
    if (performance.now() > until) throw new Error('an upstream was not let go within a minute')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
