import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Requests whose client will be told. */
const held = new WeakSet<IncomingMessage>()

/**
 * Tells a client that waits for it to send its body (RFC 9110 §10.1.1) at the moment somebody begins to read that body, and once: whoever
 * is refused, or answered from the head alone, is never asked for it. Where the server leaves it to Node, Node has told the client
 * before anybody looked at the key, and this does nothing.
 */
export function continueOnRead(request: IncomingMessage, response: ServerResponse): void {
  if (held.has(request) || !isLeftToApp(request)) return
  held.add(request)
  const tell = (): void => {
    request.off('newListener', hear).off('resume', tell)
    // Never into an answer that has begun: Node discards the body of an answered request by itself.
    if (!response.headersSent) response.writeContinue()
  }
  const hear = (event: string | symbol): void => {
    if (event === 'data' || event === 'readable') tell()
  }
  // Whoever reads adds a listener; whoever discards, as Express before its 404, resumes.
  request.on('newListener', hear).on('resume', tell)
}

function isLeftToApp({ headers, socket }: IncomingMessage): boolean {
  if (headers.expect === undefined || !/\b100-continue\b/i.test(headers.expect)) return false
  const { server } = socket as typeof socket & { readonly server?: Server }
  return (server?.listenerCount('checkContinue') ?? 0) > 0
}
