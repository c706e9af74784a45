import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { refuseConnection } from './refuse-connection.ts'

export interface HttpServerOptions {
  readonly headersMax: number
  readonly requestTimeout: number
  /** How long a client may take nothing of an answer that waits for it: it is cut off then, or after twice as long where it took something first. @default 30,000 */
  readonly stallTimeoutMs?: number
}

/** Longest wait between two looks for requests that are late, in milliseconds. */
const timeoutCheckMsMax = 5_000

/** The HTTP server under the app, bounded in what it reads. */
export function createHttpServer(handler: RequestListener, options: HttpServerOptions): Server {
  const { headersMax, requestTimeout, stallTimeoutMs = 30_000 } = options
  const server = createServer(
    {
      maxHeaderSize: headersMax,
      requestTimeout,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: Math.max(50, Math.min(timeoutCheckMsMax, requestTimeout / 4)),
      // Node would answer a missing Host itself, without a problem; the app does.
      requireHostHeader: false,
      keepAliveTimeout: 72_000,
    },
    (request, response) => {
      cutOffWhenStalled(response, stallTimeoutMs)
      handler(request, response)
    },
  )
  // Node drops header lines beyond 2,000 in silence, a second key among them. The size of the head bounds them anyway.
  server.maxHeadersCount = 0
  server.on('connect', (_request, socket) => refuseConnection({ code: 'CONNECT' }, socket))
  return server
}

/**
 * Cuts off a client that reads nothing: what it was answered would lie in memory for as long as it likes, a large result as often as it asks.
 * Node counts a piece that has left as a sign of life; a wait for the answer itself is not the client's doing.
 */
function cutOffWhenStalled(response: ServerResponse, ms: number): void {
  response.setTimeout(ms, () => {
    const { socket } = response
    if (socket !== null && socket.writableLength > 0) socket.destroy()
  })
}
