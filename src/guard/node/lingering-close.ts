import type { IncomingMessage } from 'node:http'

/** How long a refused upload is discarded before its connection is cut, in milliseconds. */
const lingerMs = 1_000

/** Bodies up to this many bytes are discarded, and their connection goes on. */
const drainedBytesMax = 65_536

/**
 * Lets a refusal leave while the request's body is still arriving, or never will: the answer closes
 * the connection for writing at once, what still arrives is discarded unparsed for a second, and
 * then the connection is cut. Cut at once, it would be reset, and a client that is sending would
 * lose the answer (RFC 9112 §9.6).
 *
 * @returns whether the connection must be closed; the caller then sends `Connection: close`
 */
export function lingerOverBody(request: IncomingMessage): boolean {
  // HTTP/2 refuses a stream without its connection.
  if (request.complete || request.httpVersionMajor !== 1 || isSoonOver(request)) return false
  const { socket } = request
  // Node calls `destroySoon` when the last answer of a connection has been handed to it.
  socket.destroySoon = () => {
    socket.end()
    const cut = setTimeout(() => socket.destroy(), lingerMs)
    cut.unref()
    request.once('end', () => socket.destroy())
    socket.once('close', () => clearTimeout(cut))
  }
  return true
}

/**
 * Whether there is no body, or one so short that Node may discard it and go on with the connection:
 * a new connection for each refusal would cost both sides more. Not after `Expect`: the body may
 * never come.
 */
function isSoonOver({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return false
  const length = Number(headers['content-length'] ?? 0)
  return length === 0 || (length <= drainedBytesMax && headers.expect === undefined)
}
