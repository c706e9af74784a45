// A stand-in for Bun and Deno, which are not installed: `Bun.serve` and `Deno.serve` on Node, as
// their documentation describes and as far as docs/guides/web.md uses them.
import type { IncomingMessage } from 'node:http'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'

type Address = { readonly address: string }

declare global {
  var Bun: {
    serve: (options: {
      readonly port: number
      readonly fetch: (
        request: Request,
        server: { readonly requestIP: (request: Request) => Address | null },
      ) => Response | Promise<Response>
    }) => void
  }
  var Deno: {
    serve: (
      options: { readonly port: number },
      handler: (
        request: Request,
        info: { readonly remoteAddr: { readonly hostname: string } },
      ) => Response | Promise<Response>,
    ) => void
  }
}

const addressOf = ({ socket }: IncomingMessage): string => socket.remoteAddress ?? ''

globalThis.Bun = {
  serve({ port, fetch }) {
    createAdaptorServer({
      fetch: (request, env) =>
        fetch(request, { requestIP: () => ({ address: addressOf((env as HttpBindings).incoming) }) }),
    }).listen(port, '127.0.0.1')
  },
}

globalThis.Deno = {
  serve({ port }, handler) {
    createAdaptorServer({
      fetch: (request, env) =>
        handler(request, { remoteAddr: { hostname: addressOf((env as HttpBindings).incoming) } }),
    }).listen(port, '127.0.0.1')
  },
}
