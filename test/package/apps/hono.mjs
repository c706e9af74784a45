import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { openModelward } from 'modelward'
import { guard } from 'modelward/hono'

const ward = await openModelward({ data: process.argv[2] })
const { text } = await ward.keys.create({ name: 'alice', owner: 'acme', scopes: ['predict'] })
const app = new Hono()
app.post('/predict', guard(ward, { scope: 'predict' }), (c) => c.json({ owner: c.var.caller.owner }))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  console.log(JSON.stringify({ port, key: text })),
)
