import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { apiKeyHeader, bearer, openModelward } from 'modelward'
import { guard, guardApp } from 'modelward/hono'

const ward = await openModelward({
  data: './modelward-data',
  // With `autoError: false` a request without a key is let through on routes that demand nothing;
  // the caller may be null.
  scheme: [apiKeyHeader({ name: 'X-API-Key', autoError: false }), bearer({ autoError: false })],
})

const app = guardApp(new Hono(), { ward })
app.get('/', (c) => c.text(`hello, ${c.var.caller?.owner ?? 'stranger'}`))
app.post('/predict', guard(ward, { scope: 'predict' }), (c) => c.json({ owner: c.var.caller?.owner }))

const { PORT = '3000' } = process.env
const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) }, ({ port }) =>
  console.log(`listening on http://127.0.0.1:${port}`),
)
const close = () => server.close(() => ward.close())
process.once('SIGTERM', close)
process.once('SIGINT', close)
