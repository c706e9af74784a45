import { createServer } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import express, { type Response } from 'express'
import express4 from 'express-4'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { guardApp as guardExpress } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import { guardApp as guardHono } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guardApp as guardWeb } from '../../src/web/index.ts'
import { keyHeader } from '../parity/ask.ts'
import { formatRequest, RawConnection } from '../parity/raw-http.ts'
import { createFakeLedger } from './fake-ledger.ts'
import { listen } from './listen.ts'
import { startServer } from './start-fastify.ts'

type Ward = TestWard<'one', true>
type Door = { readonly port?: number | undefined; readonly close: () => Promise<unknown> }

/** The record of a request whose client has left. */
const left = {
  event: 'request.admitted',
  ...{ status: null, measures: { requests: 1 }, detail: { aborted: true } },
}

/** Each reads a JSON body as its users do, and answers 400 where it cannot. */
function startExpress(create: typeof express, ward: Ward): Promise<Door> {
  const app = guardExpress(create(), { ward })
  app.post('/predict', express.json(), (_request, response) => void response.json('in'))
  app.use((_error: unknown, _request: unknown, response: Response, _next: unknown) => {
    response.status(400).json('not read')
  })
  return listen(createServer(app))
}

const doors: readonly (readonly [string, (ward: Ward) => Promise<Door>])[] = [
  ['the server', (ward) => startServer({ ward, routes: [] })],
  [
    'Fastify',
    async (ward) => {
      const app = fastify()
      await app.register(modelward, { ward })
      app.post('/predict', () => 'in')
      await app.ready()
      return listen(app.server)
    },
  ],
  [
    'Fastify with middleware of Express',
    async (ward) => {
      const app = fastify().decorate('use', () => {})
      await app.register(modelward, { ward })
      app.post('/predict', () => 'in')
      await app.ready()
      return listen(app.server)
    },
  ],
  ['Express 5', (ward) => startExpress(express, ward)],
  ['Express 4', (ward) => startExpress(express4, ward)],
  [
    'Hono on Node',
    (ward) => {
      const app = guardHono(new Hono(), { ward })
      app.post('/predict', async (c) => c.json(await c.req.json()))
      app.onError((_error, c) => c.text('not read', 400))
      return listen(createAdaptorServer({ fetch: app.fetch }) as never)
    },
  ],
  [
    'a web-standard handler',
    (ward) => {
      const app = guardWeb(
        async (request) => {
          try {
            return Response.json(await request.json())
          } catch {
            return new Response('not read', { status: 400 })
          }
        },
        { ward },
      )
      return listen(createAdaptorServer({ fetch: app }) as never)
    },
  ],
  [
    'a web-standard handler that throws',
    (ward) => {
      const app = guardWeb(async (request) => Response.json(await request.json()), { ward })
      return listen(createAdaptorServer({ fetch: (request) => app(request) }) as never)
    },
  ],
]

test.each(doors)(
  '%s: a client that leaves while it sends was not answered, and its request counts',
  async (_, open) => {
    const ledger = createFakeLedger()
    const ward = await createTestWard({ ledger, keys: { one: { limits: ['10/h', '2 concurrent'] } } })
    ledger.entries.length = 0
    const { port = 0, close } = await open(ward)
    const headers = [keyHeader(ward.testKeys.one), ['content-type', 'application/json']] as const
    const asked = formatRequest({ method: 'POST', path: '/predict', headers, body: '{"text":"all of it"}' })
    const gone = new RawConnection(port)
    await gone.write(asked.slice(0, -5))
    const concurrent = async () => (await ward.limits.status(ward.ids.one))[1]?.used
    await expect.poll(concurrent).toBe(1)
    gone.close()
    await expect.poll(() => ledger.entries.length).toBe(1)
    expect(ledger.entries).toMatchObject([left])
    await expect.poll(concurrent).toBe(0)
    await close()
    await ward.close()
  },
)

test('Hono in a runtime other than Node: a client that leaves before its answer was not answered', async () => {
  const ledger = createFakeLedger()
  const ward = await createTestWard({ ledger, keys: { one: {} } })
  ledger.entries.length = 0
  const leaving = new AbortController()
  const app = guardHono(new Hono(), { ward })
  app.post('/predict', (c) => {
    leaving.abort()
    return c.text('in')
  })
  const headers = { 'x-api-key': ward.testKeys.one }
  await app.request('/predict', { method: 'POST', headers, signal: leaving.signal })
  expect(ledger.entries).toMatchObject([left])
  await ward.close()
})
