import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { guardApp as guardExpress, usageOf } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import { guardApp as guardHono } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { keyHeader } from '../parity/ask.ts'
import { exchange, formatRequest, RawConnection } from '../parity/raw-http.ts'
import { listen } from './listen.ts'

type Ward = TestWard<'one', true>

/** Work that goes on after its client has gone, as that of a model which heeds no signal. */
interface Work {
  /** Settles when the work of a request has begun, with the event that its client has gone. */
  readonly begun: Promise<void>
  readonly begin: () => Promise<void>
  readonly end: () => void
}

function createWork(): Work {
  const begun = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  return {
    begun: begun.promise,
    end: ended.resolve,
    async begin() {
      begun.resolve()
      await ended.promise
    },
  }
}

interface Door {
  readonly port: number
  readonly server: Server
  readonly close: () => Promise<unknown>
}

const doors: readonly (readonly [string, (ward: Ward, work: Work) => Promise<Door>])[] = [
  [
    'Fastify',
    async (ward, work) => {
      const app = fastify()
      await app.register(modelward, { ward })
      app.get('/', async () => {
        await work.begin()
        return 'done'
      })
      await app.ready()
      return { server: app.server, ...(await listen(app.server)) }
    },
  ],
  [
    'Hono on Node',
    async (ward, work) => {
      const app = guardHono(new Hono(), { ward })
      app.get('/', async (c) => {
        await work.begin()
        return c.text('done')
      })
      const server = createAdaptorServer({ fetch: app.fetch }) as Server
      return { server, ...(await listen(server)) }
    },
  ],
  [
    'Express, which says itself what its handler holds',
    async (ward, work) => {
      const app = guardExpress(express(), { ward })
      app.get('/', async (_request, response) => {
        const usage = usageOf(ward, response)
        usage.hold()
        await work.begin()
        await usage.release()
        response.send('done')
      })
      const server = createServer(app)
      return { server, ...(await listen(server)) }
    },
  ],
]

test.each(doors)('%s: who hangs up keeps the place until the work has ended', async (_, open) => {
  const ward = await createTestWard({ keys: { one: { limits: ['1 concurrent'] } } })
  const work = createWork()
  const { port, server, close } = await open(ward, work)
  const asked = formatRequest({ method: 'GET', path: '/', headers: [keyHeader(ward.testKeys.one)] })
  try {
    const arrived = once(server, 'connection')
    const gone = new RawConnection(port)
    await gone.write(asked)
    const [socket] = await arrived
    await work.begun
    const closed = once(socket, 'close')
    gone.close()
    await closed
    expect((await exchange(port, asked)).status).toBe(429)
    work.end()
    await expect.poll(async () => (await exchange(port, asked)).status).toBe(200)
  } finally {
    work.end()
    await close()
    await ward.close()
  }
})
