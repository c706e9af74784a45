import type { IncomingMessage } from 'node:http'

/** How long a refused upload is thrown away before its connection is cut, in milliseconds. */
const lingerMs = 1_000

/**
 * Lets a refusal go out while the request's body is still arriving, or never will: the answer closes the connection for
 * writing at once, what still comes in is thrown away for a second, unparsed and unkept, and then the connection is cut.
 * Cutting it at once would reset it, and a client busy sending would lose the answer (RFC 9112 §9.6).
 *
 * @returns whether the connection must be closed; the caller then sends `Connection: close`
 */
export function lingerOverBody(request: IncomingMessage): boolean {
  if (request.complete || !hasBody(request)) return false
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

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
