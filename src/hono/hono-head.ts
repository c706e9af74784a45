import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { RequestHead } from '../core/request-head.ts'
import { NodeHead } from '../gate/node-head.ts'
import { WebHead } from '../gate/web-head.ts'

/** The heads that were made, so that guards of one request share its checks. */
const heads = new WeakMap<Context, RequestHead>()

/** The head of a Hono request: on Node the one that Node has read, line by line; elsewhere the web-standard request's. */
export function headOf(c: Context, address: ((c: Context) => string | undefined) | undefined): RequestHead {
  const known = heads.get(c)
  if (known !== undefined) return known
  const raw = incomingOf(c)
  const head =
    raw === undefined
      ? new WebHead(c.req.raw, address?.(c))
      : new NodeHead(raw, { ip: address === undefined ? raw.socket.remoteAddress : address(c) })
  heads.set(c, head)
  return head
}

/** Node's request under this one, where `@hono/node-server` serves it. */
export function incomingOf({ env }: Context): IncomingMessage | undefined {
  const incoming: unknown = (env as { readonly incoming?: unknown } | undefined)?.incoming
  const isNode = typeof incoming === 'object' && incoming !== null && 'rawHeaders' in incoming
  return isNode ? (incoming as IncomingMessage) : undefined
}
