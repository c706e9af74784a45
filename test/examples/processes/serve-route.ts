// Serves the route of examples/next-handler, as Next.js would at its path.
import { serve } from '@hono/node-server'
import type { Ward } from '../../../src/index.ts'

// By their URLs: its files import each other as Next.js resolves, which the types here do not.
const { POST }: { readonly POST: (request: Request) => Promise<Response> } = await import(
  new URL('../../../examples/next-handler/app/api/predict/route.ts', import.meta.url).href
)
const { openWard }: { readonly openWard: () => Promise<Ward> } = await import(
  new URL('../../../examples/next-handler/lib/ward.ts', import.meta.url).href
)

async function route(request: Request): Promise<Response> {
  if (new URL(request.url).pathname !== '/api/predict') return new Response(null, { status: 404 })
  return request.method === 'POST' ? POST(request) : new Response(null, { status: 405 })
}

const server = serve({ fetch: route, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  console.log(`listening on http://127.0.0.1:${port}`),
)
process.once('SIGTERM', () => server.close(async () => (await openWard()).close()))
