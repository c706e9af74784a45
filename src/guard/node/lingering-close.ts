import type { IncomingMessage } from 'node:http'

/** How long a refused upload is thrown away before its connection is cut, in milliseconds. */
const lingerMs = 1_000

/** Bodies up to this many bytes are read and thrown away on a connection that is kept. */
const drainedBytesMax = 65_536

/**
 * Lets a refusal go out while the request's body is still arriving, or never will: the answer closes the connection for
 * writing at once, what still comes in is thrown away for a second, unparsed and unkept, and then the connection is cut.
 * Cutting it at once would reset it, and a client busy sending would lose the answer (RFC 9112 §9.6).
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
 * Whether there is no body, or one so short that Node may read on, throw it away and keep the connection: a new connection for
 * each refusal would cost both sides more. Not after `Expect`, for then nobody can tell whether the body will come.
 */
function isSoonOver({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return false
  const length = Number(headers['content-length'] ?? 0)
  return length === 0 || (length <= drainedBytesMax && headers.expect === undefined)
}
