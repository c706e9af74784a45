import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { Refusal } from '../../core/refusal.ts'
import { boundPipelines } from './pipeline.ts'
import { type RefusalListener, refuseConnection } from './refuse-connection.ts'

export interface HttpServerOptions {
  readonly headersMax: number
  readonly requestTimeout: number
  /**
   * How long a client may take nothing of an answer that waits for it: it is cut off then, or after
   * twice as long where it took something first. @default 30,000
   */
  readonly stallTimeoutMs?: number
  /** Answers requests in the place of the handler, where it returns true. @default none */
  readonly direct?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** Sees each request first. @default nothing does */
  readonly trace?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  /** Told of what is refused before it becomes a request. @default nothing */
  readonly onRefused?: RefusalListener | undefined
}

/** Longest wait between two looks for requests that are late, in milliseconds. */
const timeoutCheckMsMax = 5_000

/** The HTTP server under the app, bounded in what it reads. */
export function createHttpServer(handler: RequestListener, options: HttpServerOptions): Server {
  const { headersMax, requestTimeout, stallTimeoutMs = 30_000, direct, trace, onRefused } = options
  const server = createServer({
    maxHeaderSize: headersMax,
    requestTimeout,
    headersTimeout: requestTimeout,
    connectionsCheckingInterval: Math.max(50, Math.min(timeoutCheckMsMax, requestTimeout / 4)),
    // Node would answer a missing Host itself, without a problem; the app does.
    requireHostHeader: false,
    keepAliveTimeout: 72_000,
  })
  boundPipelines(server, function serve(request, response) {
    response.setTimeout(stallTimeoutMs, cutOffStalled)
    trace?.(request, response)
    if (direct?.(request, response) !== true) handler(request, response)
  })
  // Node drops header lines beyond 2,000 in silence, a second key among them. The size of the head
  // bounds them anyway.
  server.maxHeadersCount = 0
  server.on('connect', (_request, socket) => refuseConnection({ code: 'CONNECT' }, socket, onRefused))
  return server
}

/**
 * Cuts off a client that reads nothing: its answers would lie in memory for as long as it likes.
 * Node counts a piece that has left as a sign of life; a wait for the answer itself is not the
 * client's doing.
 */
function cutOffStalled(this: ServerResponse): void {
  const { socket } = this
  if (socket !== null && socket.writableLength > 0) socket.destroy()
}

const close = { headers: { connection: 'close' } }
const noHost = new Refusal('request_malformed', 'The request has no Host header.', close)
const manyHosts = new Refusal('request_malformed', 'The request has more than one Host header.', close)
const unknownCoding = new Refusal('request_malformed', 'The only transfer coding here is chunked.', close)

/**
 * Refuses a head that two programs could understand in two ways, and that Node lets through: no
 * `Host` under HTTP/1.1, or several (RFC 9112 §3.2), and an unknown transfer coding (§6.1).
 */
export function checkFraming({ headers, rawHeaders, httpVersion }: IncomingMessage): Refusal | undefined {
  if (headers.host === undefined) return httpVersion === '1.1' ? noHost : undefined
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return unknownCoding
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1 ? manyHosts : undefined
}
