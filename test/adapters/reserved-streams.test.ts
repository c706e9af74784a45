import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { guardApp as guardExpress } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import type { UsageReservation } from '../../src/guard/exchange/reserve.ts'
import { guardApp as guardHono } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guard } from '../../src/web/index.ts'
import { expectProblem, keyHeader } from '../parity/ask.ts'
import { exchange, formatRequest, RawConnection } from '../parity/raw-http.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'
import { listen } from './listen.ts'

/** What the ledger was handed by now is among its entries. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

type Ward = TestWard<'one' | 'free', true>

/** A chat of two pieces, ten tokens each, the second when the test says so. */
interface Chat {
  readonly reserve: (request: object) => Promise<void>
  readonly pieces: () => AsyncGenerator<string>
  /** Lets the second piece go. */
  readonly goOn: () => void
  /** Settles when the pieces have ended and their handler has settled. */
  readonly over: Promise<void>
  /** Whether the handler settles when its pieces end. */
  isForgetful: boolean
  readonly settle: (tokens: number) => Promise<void>
}

function createChat(ward: Ward): Chat {
  const second = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  let reservation: UsageReservation<'tokens'> | undefined
  const chat: Chat = {
    isForgetful: false,
    over: over.promise,
    goOn: second.resolve,
    async reserve(request) {
      reservation = await ward.reserve(request, { tokens: 1_200 })
    },
    settle: async (tokens) => reservation?.settle({ tokens }),
    async *pieces() {
      let tokens = 0
      try {
        tokens += 10
        yield 'one'
        await second.promise
        tokens += 10
        yield 'two'
      } finally {
        if (!chat.isForgetful) await chat.settle(tokens)
        over.resolve()
      }
    },
  }
  return chat
}

async function write(response: ServerResponse, { pieces }: Chat): Promise<void> {
  for await (const piece of pieces()) {
    response.write(piece)
    if (response.closed) break
  }
  response.end()
}

type Open = (ward: Ward, chat: Chat) => Promise<Server>

async function openFastify(
  ward: Ward,
  chat: Chat,
  answer: (reply: import('fastify').FastifyReply) => unknown,
  isWithMiddleware = false,
): Promise<Server> {
  const app = fastify()
  await app.register(modelward, { ward })
  if (isWithMiddleware) app.decorate('use', () => app)
  app.get('/', async (request, reply) => {
    await chat.reserve(request)
    return answer(reply)
  })
  await app.ready()
  return app.server
}

const streamed = ({ pieces }: Chat, type: string): Response =>
  new Response(Readable.toWeb(Readable.from(pieces(), { objectMode: false })) as never, {
    headers: { 'content-type': type },
  })

const openWeb =
  (type: string): Open =>
  async (ward, chat) => {
    const answer = async (request: Request): Promise<Response> => {
      await chat.reserve(request)
      return streamed(chat, type)
    }
    const fetch = guard(ward, {}, answer, { onFault: () => {} })
    return createAdaptorServer({ fetch }) as Server
  }

const doors: Readonly<Record<string, Open>> = {
  'Fastify, a stream': (ward, chat) =>
    openFastify(ward, chat, (reply) => reply.send(Readable.from(chat.pieces()))),
  'Fastify, hijacked': (ward, chat) => openFastify(ward, chat, (reply) => write(reply.hijack().raw, chat)),
  'Fastify with middleware of Express': (ward, chat) =>
    openFastify(ward, chat, (reply) => write(reply.raw, chat), true),
  'Hono, server-sent events': async (ward, chat) => {
    const app = guardHono(new Hono(), { ward, onFault: () => {} })
    app.get('/', async (c) => {
      await chat.reserve(c)
      return streamSSE(c, async (stream) => {
        for await (const piece of chat.pieces()) {
          await stream.write(piece)
          if (stream.aborted) break
        }
      })
    })
    return createAdaptorServer({ fetch: app.fetch }) as Server
  },
  'a web-standard handler, server-sent events': openWeb('text/event-stream'),
  'a web-standard handler, plain text': openWeb('text/plain'),
  Express: async (ward, chat) => {
    const app = guardExpress(express(), { ward, onFault: () => {} })
    app.get('/', async (_request, response) => {
      await chat.reserve(response)
      await write(response, chat)
    })
    return createServer(app)
  },
}

describe.each(Object.entries(doors))('%s', (_name, open) => {
  let ledger: FakeLedger
  let ward: Ward
  let chat: Chat
  let server: Server
  let target: Awaited<ReturnType<typeof listen>>
  let connection: RawConnection
  beforeEach(async () => {
    ledger = createFakeLedger()
    const keys = { one: { limits: ['2000 tokens/h', '1 concurrent'] }, free: { limits: [] } }
    ward = await createTestWard({ ledger, keys })
    ledger.entries.length = 0
    chat = createChat(ward)
    server = await open(ward, chat)
    target = await listen(server)
    connection = new RawConnection(target.port)
  })
  afterEach(async () => {
    connection.close()
    chat.goOn()
    await target.close()
    await ward.close()
  })

  const used = async () => (await ward.limits.status(ward.ids.one)).map((status) => status.used)
  const request = (key: string = ward.testKeys.one) =>
    formatRequest({ method: 'GET', path: '/', headers: [keyHeader(key)] })

  /** Resolves when the first piece has come; gives what closes the connection at both ends. */
  async function begin(key?: string): Promise<() => Promise<void>> {
    const arrived = once(server, 'connection')
    void connection.write(request(key))
    const [socket] = await arrived
    await connection.receives('HTTP/1.1 200')
    await expect.poll(() => connection.received).toContain('one')
    return async () => {
      const closed = once(socket, 'close')
      connection.close()
      await closed
    }
  }

  test('a stream to its end: its record, the last byte behind it, says what was settled', async () => {
    chat.goOn()
    void connection.write(request())
    const answer = await connection.answer()
    expect(answer.body).toBe('onetwo')
    expect(ledger.entries).toMatchObject([
      { event: 'request.started', measures: {} },
      { event: 'request.finished', measures: { requests: 1, tokens: 20 }, detail: null },
    ])
    await expect.poll(used).toEqual([20, 0])
  })

  test('what it reserved is taken while it streams, and the place among those at once with it', async () => {
    const leave = await begin()
    expect(await used()).toEqual([1_200, 1])
    expectProblem(await exchange(target.port, request()), 429, 'concurrency_limited')
    await leave()
  })

  test('a client that leaves in the middle: the record waits, and says what was delivered', async () => {
    const leave = await begin()
    await leave()
    await turn()
    expect(ledger.entries).toHaveLength(1)
    chat.goOn()
    await chat.over
    await turn()
    expect(ledger.entries.slice(1)).toMatchObject([
      {
        event: 'request.finished',
        measures: { tokens: expect.toBeOneOf([10, 20]) },
        detail: { aborted: true },
      },
    ])
    expect(ledger.entries[1]?.detail).not.toHaveProperty('usage')
    await expect.poll(used).toEqual([ledger.entries[1]?.measures['tokens'], 0])
  })

  test('a client that leaves, and a handler that never settles: reserved a minute later, its place free', async () => {
    chat.isForgetful = true
    const leave = await begin()
    await leave()
    ward.advance('59s')
    await turn()
    expect(ledger.entries).toHaveLength(1)
    ward.advance('1s')
    await turn()
    expect(ledger.entries.slice(1)).toMatchObject([
      { measures: { tokens: 1_200 }, detail: { aborted: true, usage: 'reserved' } },
    ])
    chat.goOn()
    await chat.over
    await expect.poll(used).toEqual([1_200, 0])
    // Too late, which is no mistake that the handler could know of.
    await chat.settle(10)
    expect(await used()).toEqual([1_200, 0])
    expect(ledger.entries).toHaveLength(2)
  })

  test('a ward that closes records what is not settled yet', async () => {
    const leave = await begin()
    await leave()
    await ward.close()
    expect(ledger.entries.slice(1)).toMatchObject([
      { measures: { tokens: 1_200 }, detail: { aborted: true, usage: 'reserved' } },
    ])
  })

  test('a handler that never settles a whole stream: reserved, and its place free', async () => {
    chat.isForgetful = true
    chat.goOn()
    void connection.write(request())
    expect((await connection.answer()).body).toBe('onetwo')
    expect(ledger.entries.slice(1)).toMatchObject([
      { measures: { tokens: 1_200 }, detail: { usage: 'reserved' } },
    ])
    await expect.poll(used).toEqual([1_200, 0])
  })

  test('the ledger out at the end: the stream breaks off, and nothing is given back', async () => {
    await begin()
    ledger.fault = new Error('full')
    chat.goOn()
    await expect(connection.answer()).rejects.toThrow('ended before an answer')
    await expect.poll(used).toEqual([20, 0])
  })

  test('the ledger out at the start: 503, all given back, and a later settle changes nothing', async () => {
    ledger.fault = new Error('full')
    void connection.write(request())
    expectProblem(await connection.answer(), 503, 'ledger_unavailable')
    chat.goOn()
    await expect.poll(used).toEqual([0, 0])
    await chat.settle(20).catch(() => {})
    expect(await used()).toEqual([0, 0])
  })

  test('of a key without limits the record says what was settled', async () => {
    const leave = await begin(ward.testKeys.free)
    await leave()
    chat.goOn()
    await chat.over
    await expect
      .poll(() => ledger.entries[1])
      .toMatchObject({ measures: { tokens: expect.toBeOneOf([10, 20]) }, detail: { aborted: true } })
  })
})
