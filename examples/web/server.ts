import { type Http2Bindings, type HttpBindings, serve } from '@hono/node-server'
import { openModelward } from 'modelward'
import { guardApp } from 'modelward/web'
import { createApp } from './app.ts'

const ward = await openModelward({ data: './modelward-data', limitDefault: ['60/min'] })

// On Bun it is Bun.serve({ fetch }), on Deno Deno.serve(fetch); the guide has their `address`.
const fetch = guardApp<[HttpBindings | Http2Bindings]>(createApp(ward), {
  ward,
  public: ['GET /health'],
  address: (_request, { incoming }) => incoming.socket.remoteAddress,
})

const { PORT = '3000' } = process.env
const server = serve({ fetch, hostname: '127.0.0.1', port: Number(PORT) }, ({ port }) =>
  console.log(`listening on http://127.0.0.1:${port}`),
)
const close = () => server.close(() => ward.close())
process.once('SIGTERM', close)
process.once('SIGINT', close)
