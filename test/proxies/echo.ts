import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as the model server behind a proxy saw it. */
export interface Seen {
  readonly method: string
  readonly url: string
  /** In the order sent, as they were written. */
  readonly headers: readonly (readonly [string, string])[]
  /** Bytes of the body. */
  readonly length: number
}

/** The model server of these tests: it says back what it saw. */
export interface Echo extends AsyncDisposable {
  readonly port: number
  /** Every request whose head arrived, also those that it did not answer. */
  readonly heads: readonly string[]
  /** Lets the stream that waits go on. */
  readonly goOn: () => void
}

/**
 * Answers with what it saw, or as its path asks: `…/status/403` with that status and its own
 * body, `…/stream` with an event at once and one after `goOn`. It takes WebSockets' handshakes.
 */
export async function startEcho(): Promise<Echo> {
  const heads: string[] = []
  let goOn = (): void => {}
  const server = createServer(async (request, response) => {
    heads.push(headOf(request))
    const status = /\/status\/(\d{3})$/.exec(request.url ?? '')?.[1]
    if (status !== undefined) {
      response.writeHead(Number(status), { 'content-type': 'text/plain' }).end('of the model server')
      return
    }
    if (request.url?.endsWith('/stream')) {
      const waited = new Promise<void>((resolve) => {
        goOn = resolve
      })
      await stream(response, waited)
      return
    }
    let length = 0
    for await (const piece of request) length += (piece as Buffer).length
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(seen(request, length)))
  })
  server.on('upgrade', (request: IncomingMessage, socket) => {
    heads.push(headOf(request))
    socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    heads,
    goOn: () => goOn(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function stream(response: ServerResponse, waited: Promise<void>): Promise<void> {
  // Of a known length: of one in chunks nginx passes on each as it comes, with its buffers too.
  response.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': 27 })
  response.write('data: first\n\n')
  await waited
  response.end('data: second\n\n')
}

function seen(request: IncomingMessage, length: number): Seen {
  const { method = '', url = '', rawHeaders } = request
  const headers = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as const] : [],
  )
  return { method, url, headers, length }
}

function headOf(request: IncomingMessage): string {
  return JSON.stringify(seen(request, 0))
}
