// Serves the route of a copy of examples/next-handler, as Next.js would at its path: `node
// serve-route.ts FOLDER`.
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serve } from '@hono/node-server'
import type { Ward } from '../../../src/index.ts'

const [, , folder = ''] = process.argv
const at = (file: string): string => pathToFileURL(join(folder, file)).href

// As Next.js resolves: an import without an extension is a TypeScript file.
registerHooks({
  resolve(specifier, context, nextResolve) {
    const isOfApp = context.parentURL?.startsWith(at('/')) && !context.parentURL.includes('/node_modules/')
    return nextResolve(
      isOfApp && /^\.{1,2}\/.*\/[^./]+$/.test(specifier) ? `${specifier}.ts` : specifier,
      context,
    )
  },
})

const { POST }: { readonly POST: (request: Request) => Promise<Response> } = await import(
  at('app/api/predict/route.ts')
)
const { openWard }: { readonly openWard: () => Promise<Ward> } = await import(at('lib/ward.ts'))

async function route(request: Request): Promise<Response> {
  if (new URL(request.url).pathname !== '/api/predict') return new Response(null, { status: 404 })
  return request.method === 'POST' ? POST(request) : new Response(null, { status: 405 })
}

const server = serve({ fetch: route, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  console.log(`listening on http://127.0.0.1:${port}`),
)
process.once('SIGTERM', () => server.close(async () => (await openWard()).close()))
