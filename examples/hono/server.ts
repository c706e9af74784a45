import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { stream } from 'hono/streaming'
import { validator } from 'hono/validator'
import { openModelward, Refusal } from 'modelward'
import { guard, guardApp } from 'modelward/hono'
import { generate, mostTokens, settling } from './chat.ts'

const ward = await openModelward({ data: './modelward-data', limitDefault: ['60/min'] })

const app = guardApp(new Hono(), {
  ward,
  public: ['GET /health'],
  // Preflights come without a key, so CORS answers them ahead of the guard.
  before: [cors({ origin: 'https://app.example', allowHeaders: ['X-API-Key', 'Content-Type'] })],
})
const textOf = validator('json', (body: { readonly text?: unknown } | null) => {
  const text = body?.text
  if (typeof text !== 'string') throw new Refusal('input_invalid', 'Send a text.')
  return text
})

app.get('/health', (c) => c.text('ok'))
app.get('/me', (c) => c.json({ key: c.var.caller.keyId, scopes: c.var.caller.scopes }))
app.post('/predict', guard(ward, { scope: 'predict' }), bodyLimit({ maxSize: 65_536 }), textOf, (c) =>
  c.json({ owner: c.var.caller.owner, length: c.req.valid('json').length }),
)
// A stream: the most that it may use of the budget is taken before it, and put right after.
app.post('/chat', guard(ward, { scope: 'predict' }), bodyLimit({ maxSize: 65_536 }), textOf, async (c) => {
  const text = c.req.valid('json')
  const reservation = await ward.reserve(c, { tokens: mostTokens(text) })
  c.header('content-type', 'text/plain')
  return stream(c, async (out) => {
    for await (const piece of settling(generate(text, c.req.raw.signal), reservation)) {
      if (out.aborted) break
      await out.write(piece)
    }
  })
})
// A limit of the route's own, for each key, beside the one of all its requests.
app.get('/report', guard(ward, { limits: ['1/min'] }), (c) => c.json({ owner: c.var.caller.owner }))

const { PORT = '3000' } = process.env
const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(PORT) }, ({ port }) =>
  console.log(`listening on http://127.0.0.1:${port}`),
)
const close = () => server.close(() => ward.close())
process.once('SIGTERM', close)
process.once('SIGINT', close)
