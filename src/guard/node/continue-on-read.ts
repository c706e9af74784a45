import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Requests whose client waits for its `100 Continue`. */
const waiting = new WeakSet<IncomingMessage>()

/**
 * Sends a client its `100 Continue` (RFC 9110 §10.1.1) when its body is first read: a request that
 * is refused, or answered from its head alone, never gets one. Does nothing where the server leaves
 * it to Node, which has sent it before any guard ran.
 */
export function continueOnRead(request: IncomingMessage, response: ServerResponse): void {
  if (!isLeftToApp(request) || waiting.has(request)) return
  waiting.add(request)
  const send = (): void => {
    request.off('newListener', onListener).off('resume', send)
    // Never into an answer that has begun: Node discards the body of an answered request by itself.
    if (!response.headersSent) response.writeContinue()
  }
  const onListener = (event: string | symbol): void => {
    if (event === 'data' || event === 'readable') send()
  }
  // Reading adds a listener; discarding, as Express does before its 404, resumes.
  request.on('newListener', onListener).on('resume', send)
}

function isLeftToApp({ headers, socket }: IncomingMessage): boolean {
  if (headers.expect === undefined || !/\b100-continue\b/i.test(headers.expect)) return false
  const { server } = socket as typeof socket & { readonly server?: Server }
  return (server?.listenerCount('checkContinue') ?? 0) > 0
}
