// One Hono app on Node, bare or behind a guard: what the adapter costs is the difference.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { guard as guardRoute } from '../../src/hono/index.ts'
import { sameHeaders } from '../peers/same-headers.ts'
import { openWard, predict, readServed } from './served-app.ts'

const { port, key, guard } = readServed()
const app = new Hono()
if (guard === 'empty') app.use('/predict', async (_c, next) => await next())
if (guard === 'modelward') app.use('/predict', guardRoute(await openWard(), { scope: 'predict' }))
if (guard === 'peer') app.use('/predict', bearerAuth({ token: key }))
app.post('/predict', async (c) => {
  const { text } = await c.req.json<{ text: string }>()
  // As `c.json` takes them: the cheapest way that Hono has.
  return guard === 'headers' ? c.json(predict(text), 200, sameHeaders) : c.json(predict(text))
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port })
