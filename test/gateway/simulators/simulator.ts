import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** JSON as a client sends it. */
export type Body = Readonly<Record<string, unknown>>

/** How a model server answers: whole, or in pieces that are paced. */
export type Reply =
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly json: unknown }
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly text: string }
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly type: 'text/event-stream' | 'application/x-ndjson'
      readonly pieces: readonly string[]
    }

/** By `POST /api/chat`; a path may end in `*`. */
export type Routes = Readonly<Record<string, (body: Body) => Reply>>

/** A request that a simulator saw. */
export interface SeenRequest {
  readonly method: string
  /** As it was sent, with a query if it had one. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
  /** Whether its answer was sent whole, or its client was gone before. */
  readonly end: Promise<'whole' | 'left'>
}

export interface SimulatorOptions {
  /** Has each piece of an answer wait for `next`. @default false */
  readonly isPaced?: boolean
  /** What stands in for the words of the model. @default five words */
  readonly words?: readonly string[]
  /** The credential that it asks for. @default none */
  readonly key?: string
}

/** A model server that answers as the real one documents it, and remembers what it was asked. */
export interface Simulator extends AsyncDisposable {
  readonly url: string
  /** Requests in the order in which their bodies had come. */
  readonly seen: readonly SeenRequest[]
  /** Resolves once so many requests were seen. */
  readonly hasSeen: (count: number) => Promise<void>
  /** Lets so many pieces out, in the order in which they wait; resolves once they have left. */
  readonly next: (count?: number) => Promise<void>
  /** Lets all others out as they come. */
  readonly release: () => void
  /** Connections that are open. */
  readonly connections: () => number
  readonly close: () => Promise<void>
}

/** How a kind of server says that it knows no such route. */
export type NotFound = (method: string, path: string) => Reply

export async function startSimulator(
  routes: Routes,
  notFound: NotFound,
  { isPaced = false, key }: SimulatorOptions = {},
): Promise<Simulator> {
  const seen: SeenRequest[] = []
  const pace = createPace(isPaced)
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  let open = 0

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const end = Promise.withResolvers<'whole' | 'left'>()
    response.on('close', () => end.resolve(response.writableFinished ? 'whole' : 'left'))
    const body = await readBody(request)
    if (body === undefined) return
    const { method = '', url: path = '', headers } = request
    seen.push({ method, path, headers, body, end: end.promise })
    for (const one of waiting) if (seen.length >= one.count) one.resolve()
    const isRefused = key !== undefined && headers.authorization !== `Bearer ${key}`
    const reply = isRefused ? refusal : replyTo(routes, notFound, method, path, body)
    await send(response, reply, pace.turn)
  }

  const server = createServer((request, response) => void answer(request, response))
  server.on('connection', (socket) => {
    open += 1
    socket.on('close', () => {
      open -= 1
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function close(): Promise<void> {
    pace.release()
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    hasSeen(count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      if (seen.length >= count) resolve()
      else waiting.push({ count, resolve })
      return promise
    },
    next: pace.next,
    release: pace.release,
    connections: () => open,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const refusal: Reply = {
  status: 401,
  json: {
    error: { message: 'Incorrect API key provided', type: 'invalid_request_error', code: 'invalid_api_key' },
  },
}

/** Undefined: its client left while it sent. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of request) pieces.push(piece as Buffer)
  } catch {
    return undefined
  }
  return Buffer.concat(pieces).toString()
}

function replyTo(routes: Routes, notFound: NotFound, method: string, path: string, body: string): Reply {
  const [plain = ''] = path.split('?')
  const pattern = Object.keys(routes).find((route) => isMatch(route, `${method} ${plain}`))
  const route = pattern === undefined ? undefined : routes[pattern]
  if (route === undefined) return notFound(method, plain)
  if (body === '') return route({})
  try {
    return route(JSON.parse(body) as Body)
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
    return { status: 400, json: { error: thrown.message } }
  }
}

function isMatch(route: string, asked: string): boolean {
  return route.endsWith('*') ? asked.startsWith(route.slice(0, -1)) : route === asked
}

async function send(response: ServerResponse, reply: Reply, turn: Pace['turn']): Promise<void> {
  const { status = 200, headers = {} } = reply
  if ('pieces' in reply) {
    response.writeHead(status, { 'content-type': reply.type, ...headers })
    response.flushHeaders()
    for (const piece of reply.pieces) {
      const gone = await turn(response)
      await write(response, piece)
      gone()
    }
    response.end()
    return
  }
  const isText = 'text' in reply
  const text = isText ? reply.text : JSON.stringify(reply.json)
  const type = isText ? 'text/plain; charset=utf-8' : 'application/json'
  const gone = await turn(response)
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...headers })
  response.end(text)
  gone()
}

async function write(response: ServerResponse, piece: string): Promise<void> {
  if (response.destroyed || response.write(piece)) return
  // A client that does not read, or that leaves.
  await new Promise<void>((resolve) => {
    response.once('drain', resolve).once('close', resolve)
  })
}

interface Pace {
  /** Resolves once a piece of this answer may go; it is to be called when it has gone. */
  readonly turn: (response: ServerResponse) => Promise<() => void>
  readonly next: (count?: number) => Promise<void>
  readonly release: () => void
}

/** Pieces go in the order in which they asked; an answer whose client has left asks no more. */
function createPace(isPaced: boolean): Pace {
  const asking: ((gone: () => void) => void)[] = []
  const permits: (() => void)[] = []
  let isFree = !isPaced
  const nothing = (): void => {}

  return {
    turn(response) {
      const permit = permits.shift()
      if (permit !== undefined) return Promise.resolve(permit)
      if (isFree || response.destroyed) return Promise.resolve(nothing)
      return new Promise((resolve) => {
        const leave = (): void => {
          const at = asking.indexOf(go)
          if (at !== -1) asking.splice(at, 1)
          resolve(nothing)
        }
        const go = (gone: () => void): void => {
          response.off('close', leave)
          resolve(gone)
        }
        response.once('close', leave)
        asking.push(go)
      })
    },
    async next(count = 1) {
      const all = Array.from({ length: count }, () => {
        const { promise, resolve } = Promise.withResolvers<void>()
        const go = asking.shift()
        if (go === undefined) permits.push(resolve)
        else go(resolve)
        return promise
      })
      await Promise.all(all)
    },
    release() {
      isFree = true
      for (const go of asking.splice(0)) go(nothing)
      for (const gone of permits.splice(0)) gone()
    },
  }
}
