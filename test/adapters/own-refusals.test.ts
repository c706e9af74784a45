import { createServer, type Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import express4 from 'express-4'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Refusal } from '../../src/core/refusal.ts'
import { guardApp as guardExpress } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import { guardApp as guardHono } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guardApp as guardWeb } from '../../src/web/index.ts'
import { expectProblem, keyHeader } from '../parity/ask.ts'
import type { RawAnswer, RawRequest } from '../parity/raw-http.ts'
import { createFakeLedger } from './fake-ledger.ts'
import { listen } from './listen.ts'
import { rawAnswerOf, webRequestOf } from './web-ask.ts'

interface Door {
  readonly ask: (request: RawRequest) => Promise<RawAnswer>
  readonly close: () => Promise<unknown>
}

const page = '<h1>Sign in</h1>'
const html = { 'content-type': 'text/html' }
/** A caller without a key gets a page; the rest is left to the guard. */
const isOwn = ({ code }: Refusal): boolean => code === 'key_missing'

const doors: readonly (readonly [string, (ward: TestWard<'right'>) => Promise<Door>])[] = [
  [
    'Fastify',
    async (ward) => {
      const app = fastify()
      await app.register(modelward, {
        ward,
        onRefused(_request, reply, refusal) {
          if (isOwn(refusal)) reply.code(refusal.status).headers(html).send(page)
          return isOwn(refusal)
        },
      })
      app.get('/', () => 'in')
      await app.ready()
      return listen(app.server)
    },
  ],
  [
    'Hono on Node',
    async (ward) => {
      const app = guardHono(new Hono(), {
        ward,
        onRefused: async (c, refusal) =>
          isOwn(refusal) ? c.body(page, refusal.status as 401, html) : undefined,
      })
      app.get('/', (c) => c.text('in'))
      return listen(createAdaptorServer({ fetch: app.fetch }) as Server)
    },
  ],
  ...(
    [
      ['Express 5', express],
      ['Express 4', express4],
    ] as const
  ).map(
    ([name, create]) =>
      [
        name,
        async (ward: TestWard<'right'>) => {
          const app = guardExpress(create(), {
            ward,
            onRefused(_request, response, refusal) {
              if (isOwn(refusal)) response.status(refusal.status).set(html).send(page)
              return isOwn(refusal)
            },
          })
          app.get('/', (_request, response) => void response.send('in'))
          return listen(createServer(app))
        },
      ] as const,
  ),
  [
    'a web-standard handler',
    async (ward) => {
      const app = guardWeb(() => new Response('in'), {
        ward,
        onRefused: (_request, refusal) =>
          isOwn(refusal) ? new Response(page, { status: refusal.status, headers: html }) : undefined,
      })
      return { ask: async (request) => rawAnswerOf(await app(webRequestOf(request))), close: async () => {} }
    },
  ],
]

const ledger = createFakeLedger()
let ward: TestWard<'right'>
beforeEach(async () => {
  ward = await createTestWard({ ledger, keys: { right: {} } })
  ledger.entries.length = 0
})
afterEach(() => ward.close())

test.each(doors)(
  '%s: an app answers a refusal in its own way, and the record is of a refusal',
  async (_, open) => {
    const { ask, close } = await open(ward)
    const get = (...headers: (readonly [string, string])[]) => ask({ method: 'GET', path: '/', headers })
    try {
      const missing = await get()
      expect([missing.status, missing.body]).toEqual([401, page])
      expect(missing.headers.get('content-type')?.[0]).toMatch(/^text\/html/)
      expectProblem(await get(keyHeader('wrong')), 403, 'key_invalid')
      expect((await get(keyHeader(ward.testKeys.right))).body).toBe('in')
    } finally {
      await close()
    }
    expect(ledger.entries.map(({ event, code, status }) => [event, code, status])).toEqual([
      ['request.refused', 'key_missing', 401],
      ['request.refused', 'key_invalid', 403],
      ['request.admitted', null, 200],
    ])
  },
)
