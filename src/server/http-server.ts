import { createServer, type RequestListener, type Server } from 'node:http'
import { refuseConnection } from './refuse-connection.ts'

export interface HttpServerOptions {
  readonly headerBytesMax: number
  readonly requestTimeoutMs: number
}

/** Longest wait between two looks for requests that are late, in milliseconds. */
const timeoutCheckMsMax = 5_000

/** The HTTP server under the app, bounded in what it reads. */
export function createHttpServer(handler: RequestListener, options: HttpServerOptions): Server {
  const { headerBytesMax, requestTimeoutMs } = options
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.max(50, Math.min(timeoutCheckMsMax, requestTimeoutMs / 4)),
      // Node would answer a missing Host itself, without a problem; the app does.
      requireHostHeader: false,
      keepAliveTimeout: 72_000,
    },
    handler,
  )
  // Node drops header lines beyond 2,000 in silence, a second key among them. The size of the head bounds them anyway.
  server.maxHeadersCount = 0
  server.on('connect', (_request, socket) => refuseConnection({ code: 'CONNECT' }, socket))
  return server
}
