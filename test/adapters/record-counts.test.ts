import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { type FastifyInstance, fastify } from 'fastify'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../src/core/refusal.ts'
import { guardApp as guardExpress, guard as guardExpressRoute, problems } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import type { Demand } from '../../src/guard/demand.ts'
import type { Guard } from '../../src/guard/guard.ts'
import { guardApp as guardHono, guard as guardHonoRoute } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guardApp as guardWeb, guard as guardWebRoute } from '../../src/web/index.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'
import { listen } from './listen.ts'
import { startServer } from './start-fastify.ts'

type Random = (below: number) => number
type Target = Awaited<ReturnType<typeof listen>>

/** The mulberry32 generator: the same seed gives the same sequence. */
function createRandom(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate)
}

/** What the apps share: their pieces and decisions take some turns of the event loop. */
function createParts(random: Random) {
  return {
    demand: {
      async check() {
        await turns(random(6))
        if (random(5) === 0) throw new Refusal('forbidden', 'not this time')
        if (random(9) === 0) throw new Error('broken check')
      },
    } satisfies Demand,
    async *pieces() {
      for (let piece = 0; piece < 3; piece += 1) {
        await turns(random(4))
        yield `piece ${piece}`
      }
    },
  }
}

type Start = (ward: TestWard, parts: ReturnType<typeof createParts>) => Promise<Target>
const onFault = (): void => {}
const stream = (pieces: () => AsyncIterable<string>): Response =>
  new Response(Readable.toWeb(Readable.from(pieces(), { objectMode: false })) as never, {
    headers: { 'content-type': 'text/event-stream' },
  })
const broken = (): never => {
  throw new Error('broken handler')
}

async function startFastify(
  ward: TestWard,
  { demand, pieces }: ReturnType<typeof createParts>,
  app: FastifyInstance,
): Promise<Target> {
  await app.register(modelward, { ward, onUnrecorded: onFault })
  app.get('/whole', () => 'whole')
  app.get('/nested', { config: { guard: demand } }, () => 'whole')
  app.get('/stream', (_request, reply) => reply.send(Readable.from(pieces())))
  app.get('/response', { config: { guard: demand } }, (_request, reply) => reply.send(stream(pieces)))
  app.get('/broken', broken)
  app.get('/raw', { config: { guard: demand } }, async (_request, reply) => {
    reply.hijack()
    // There is no client to answer: nothing is written, and it is recorded all the same.
    if (reply.raw.closed) return
    for await (const piece of pieces()) reply.raw.write(piece)
    reply.raw.end()
  })
  app.get('/upgrade', (request, reply) => {
    reply.hijack()
    request.raw.socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
  })
  await app.ready()
  return listen(app.server)
}

const starts: Readonly<Record<string, Start>> = {
  async 'the server'(ward, { demand, pieces }) {
    const routes = [
      { path: '/whole', handle: () => 'whole' },
      { path: '/nested', guard: demand, handle: () => 'whole' },
      { path: '/stream', handle: () => Readable.from(pieces()) },
      { path: '/response', guard: demand, handle: () => stream(pieces) },
      { path: '/broken', handle: broken },
    ]
    const { port = 0, ...target } = await startServer({ ward, routes })
    return { ...target, port }
  },
  Fastify: (ward, parts) => startFastify(ward, parts, fastify()),
  'Fastify with middleware of Express': (ward, parts) =>
    startFastify(
      ward,
      parts,
      fastify().decorate('use', () => {}),
    ),
  Express(ward, { demand, pieces }) {
    const app = guardExpress(express(), { ward, onFault })
    app.get('/whole', (_request, response) => void response.send('whole'))
    app.get('/nested', guardExpressRoute(ward, demand, { onFault }), (_request, response) => {
      response.send('whole')
    })
    const write = async (response: express.Response): Promise<void> => {
      if (response.closed) return
      for await (const piece of pieces()) response.write(piece)
      response.end()
    }
    app.get('/stream', (_request, response) => write(response))
    app.get('/raw', guardExpressRoute(ward, demand, { onFault }), (_request, response) => {
      void write(response as unknown as express.Response)
    })
    app.get('/response', (_request, response) => void Readable.from(pieces()).pipe(response))
    app.get('/broken', broken)
    app.use(problems(onFault))
    app.use((_error: unknown, _request: unknown, response: express.Response, _next: unknown) => {
      response.status(500).end()
    })
    return listen(createServer(app))
  },
  'Hono on Node': (ward, { demand, pieces }) => {
    const app = guardHono(new Hono(), { ward, onFault }) as unknown as Hono
    app.onError((_error, c) => c.text('of the app', 500))
    const inner = guardHonoRoute(ward, demand, { onFault }) as never
    app.get('/whole', (c) => c.text('whole'))
    app.get('/nested', inner, (c) => c.text('whole'))
    app.get('/stream', (c) =>
      streamSSE(c, async (sse) => {
        for await (const piece of pieces()) await sse.write(piece)
      }),
    )
    app.get('/response', inner, () => stream(pieces))
    app.get('/broken', broken)
    return listen(createAdaptorServer({ fetch: app.fetch }) as never)
  },
  'a web-standard handler': (ward, { demand, pieces }) => {
    const inner = guardWebRoute(ward, demand, () => stream(pieces), { onFault })
    const nested = guardWebRoute(ward, demand, () => new Response('whole'), { onFault })
    const app = guardWeb(
      (request) => {
        const { pathname } = new URL(request.url)
        if (pathname === '/broken') broken()
        if (pathname === '/nested') return nested(request)
        if (pathname === '/stream') return stream(pieces)
        return pathname === '/response' ? inner(request) : new Response('whole')
      },
      { ward, onFault },
    )
    const fetch = (request: Request): Promise<Response> =>
      app(request).catch(() => new Response('of the runtime', { status: 500 }))
    return listen(createAdaptorServer({ fetch }) as never)
  },
}

const paths = [
  '/whole',
  '/nested',
  '/stream',
  '/response',
  '/raw',
  '/upgrade',
  '/broken',
  '/no/such',
] as const

/**
 * Sends one request, and goes away at some moment: at once, at the first bytes, or when all has
 * come.
 */
async function ask(port: number, keys: readonly string[], upgrades: boolean, random: Random): Promise<void> {
  const path = paths[random(paths.length)] ?? '/whole'
  const method = random(4) === 0 ? 'HEAD' : 'GET'
  const key = keys[random(keys.length)]
  const isUpgrade = path === '/upgrade' && upgrades
  const lines = [
    `${isUpgrade ? 'GET' : method} ${path} HTTP/1.1`,
    'Host: test',
    ...(key === undefined || key === '' ? [] : [`X-API-Key: ${key}`]),
    ...(isUpgrade ? ['Upgrade: test', 'Connection: upgrade, close'] : ['Connection: close']),
  ]
  const leaves = random(4)
  const socket = connect({ port, host: '127.0.0.1' })
  socket
    .on('error', () => {})
    .on('data', (piece) => {
      // Some answers keep their connection: the end of their last chunk is the end.
      const isWhole = String(piece).endsWith('0\r\n\r\n')
      if (leaves === 1 || method === 'HEAD' || isWhole) socket.destroy()
    })
  socket.write(
    `${lines.join('\r\n')}\r\n\r\n`,
    () => leaves === 0 && void turns(random(8)).then(() => socket.destroy()),
  )
  await once(socket, 'close')
}

/**
 * How many exchanges the ledger has records of, those of a flood that were only counted among them.
 */
function recordedOf({ entries }: FakeLedger): { readonly exchanges: number; readonly ends: number } {
  const first = ['request.admitted', 'request.refused', 'request.failed', 'request.started'] as const
  const of = (...events: readonly string[]) => entries.filter(({ event }) => events.includes(event))
  const counted = of('requests.summarized').reduce((sum, { measures }) => sum + (measures['refused'] ?? 0), 0)
  const open = of('request.started').length - of('request.finished').length
  return { exchanges: of(...first).length + counted, ends: open }
}

describe.each(Object.entries(starts))('%s', (name, start) => {
  test.each([1, 2, 3, 4])(
    'each exchange is recorded once, whenever clients go away (seed %i)',
    async (seed) => {
      const random = createRandom(seed)
      const ledger = createFakeLedger()
      const append = ledger.append
      Object.assign(ledger, {
        append: async (...args: Parameters<typeof append>) => {
          await turns(random(6))
          return append(...args)
        },
      })
      const limits = ['1000 concurrent']
      const ward = await createTestWard({ ledger, keys: { right: { limits }, reader: { limits } } })
      ledger.entries.length = 0
      let opened = 0
      const { guard } = ward
      const open: Guard['open'] = (...args) => {
        opened += 1
        return guard.open(...args)
      }
      const counted = { ...ward, guard: { ...guard, open } }
      const target = await start(counted as never, createParts(random))
      const keys = [ward.testKeys.right, ward.testKeys.right, ward.testKeys.reader, 'wrong', '']
      for (let wave = 0; wave < 8; wave += 1)
        await Promise.all(Array.from({ length: 8 }, () => ask(target.port, keys, name === 'Fastify', random)))
      await target.close()
      for (const id of Object.values(ward.ids))
        await expect.poll(() => ward.limits.status(id)).toMatchObject([{ remaining: 1_000 }])
      await ward.close()
      await expect.poll(() => recordedOf(ledger)).toEqual({ exchanges: opened, ends: 0 })
      expect(opened).toBeGreaterThan(30)
    },
  )
})
