import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from 'hono'
import type { Exchange } from '../guard/exchange/exchange.ts'
import type { Guard } from '../guard/guard.ts'
import { continueOnRead } from '../guard/node/continue-on-read.ts'
import { NodeHead } from '../guard/node/node-head.ts'
import { WebHead } from '../guard/web/web-head.ts'

/**
 * The exchange of a Hono request: over the head that Node has read, line by line; elsewhere over
 * the web-standard request's.
 */
export function openExchange(
  guard: Guard,
  c: Context,
  address: ((c: Context) => string | undefined) | undefined,
): Exchange {
  const known = guard.find(c)
  if (known !== undefined) return known
  const raw = incomingOf(c)
  const head =
    raw === undefined
      ? new WebHead(c.req.raw, address?.(c))
      : new NodeHead(raw, { ip: address === undefined ? raw.socket.remoteAddress : address(c) })
  // Of Hono's own middleware `requestId`, where the app has it.
  const id: unknown = c.get('requestId')
  return guard.open(c, head, c.req.method, typeof id === 'string' && id !== '' ? id : undefined)
}

/**
 * A request's path as the client sent it. `c.req.path` has been decoded, and on Node the URL has
 * been resolved, so that `/%68ealth` and `/x/../health` would both be `/health`. In a mounted app
 * it is what Hono mounted it with.
 */
export function sentPathOf(c: Context): string {
  const path = pathOf(c.req.raw.url)
  const sent = incomingOf(c)?.url
  if (sent === undefined || pathOf(sent) === path) return path
  return URL.parse(sent, 'http://localhost')?.pathname === path ? pathOf(sent) : path
}

/**
 * The path of a URL, or of a request target in any of its forms (RFC 9112 §3.2), letter by letter.
 */
function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
}

/** Node's request under this one, where `@hono/node-server` serves it. */
export function incomingOf({ env }: Context): IncomingMessage | undefined {
  const incoming: unknown = (env as { readonly incoming?: unknown } | undefined)?.incoming
  const isNode = typeof incoming === 'object' && incoming !== null && 'rawHeaders' in incoming
  return isNode ? (incoming as IncomingMessage) : undefined
}

/** Node's response to this request, where `@hono/node-server` serves it. */
export function outgoingOf({ env }: Context): ServerResponse | undefined {
  const outgoing: unknown = (env as { readonly outgoing?: unknown } | undefined)?.outgoing
  const isNode = typeof outgoing === 'object' && outgoing !== null && 'writableFinished' in outgoing
  return isNode ? (outgoing as ServerResponse) : undefined
}

/**
 * Sends a client its `100 Continue` when its body is read, where the server leaves that to the app.
 */
export function holdContinue(c: Context): void {
  const incoming = incomingOf(c)
  const outgoing = outgoingOf(c)
  if (incoming !== undefined && outgoing !== undefined) continueOnRead(incoming, outgoing)
}
