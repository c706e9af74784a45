import { createServer, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { guardApp as guardExpress } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import { guardApp as guardHono } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guard } from '../../src/web/index.ts'
import { expectProblem, keyHeader } from '../parity/ask.ts'
import { formatRequest, RawConnection } from '../parity/raw-http.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'
import { listen } from './listen.ts'

/** Two pieces, the second when the test says so. */
interface Pieces {
  readonly send: () => AsyncIterable<string>
  /** Lets the second go. */
  readonly goOn: () => void
}

function createPieces(): Pieces {
  const second = Promise.withResolvers<void>()
  return {
    goOn: second.resolve,
    async *send() {
      yield 'one'
      await second.promise
      yield 'two'
    },
  }
}

const eventStream = (pieces: Pieces): Response =>
  new Response(webStream(pieces), { headers: { 'content-type': 'text/event-stream' } })

type Start = (ward: TestWard, pieces: Pieces) => ReturnType<typeof listen>

async function startFastify(
  ward: TestWard,
  answer: (reply: import('fastify').FastifyReply) => unknown,
): ReturnType<typeof listen> {
  const app = fastify()
  await app.register(modelward, { ward })
  app.get('/', (_request, reply) => answer(reply))
  await app.ready()
  return listen(app.server)
}

/** As NestJS has it: by `@fastify/middie` middleware gets Node's own response; so does `@Sse()`. */
async function startPastFastify(
  ward: TestWard,
  answer: (response: ServerResponse) => Promise<void>,
): ReturnType<typeof listen> {
  const app = fastify()
  await app.register(modelward, { ward })
  app.decorate('use', () => app)
  app.get('/', (_request, reply) => answer(reply.raw))
  await app.ready()
  return listen(app.server)
}

const webStream = ({ send }: Pieces): ReadableStream =>
  Readable.toWeb(Readable.from(send(), { objectMode: false })) as never

const starts: Readonly<Record<string, Start>> = {
  'Fastify, a stream': (ward, { send }) => startFastify(ward, (reply) => reply.send(Readable.from(send()))),
  'Fastify, a stream with its length': (ward, { send }) =>
    startFastify(ward, (reply) => reply.header('content-length', 6).send(Readable.from(send()))),
  'Fastify, a Response': (ward, pieces) =>
    startFastify(ward, (reply) =>
      reply.send(new Response(webStream(pieces), { headers: { 'x-own': 'yes' } })),
    ),
  'Fastify, hijacked': (ward, { send }) =>
    startFastify(ward, async (reply) => {
      reply.hijack()
      for await (const piece of send()) reply.raw.write(piece)
      reply.raw.end()
    }),
  'Fastify with middleware of Express, written past it': (ward, { send }) =>
    startPastFastify(ward, async (response) => {
      for await (const piece of send()) response.write(piece)
      response.end()
    }),
  'Hono, server-sent events': (ward, { send }) => {
    const app = guardHono(new Hono(), { ward, onFault: () => {} })
    app.get('/', (c) =>
      streamSSE(c, async (stream) => {
        for await (const piece of send()) await stream.write(piece)
      }),
    )
    return listen(createAdaptorServer({ fetch: app.fetch }) as never)
  },
  'Hono, a Response of plain text, with its length': (ward, pieces) => {
    const app = guardHono(new Hono(), { ward, onFault: () => {} })
    const headers = { 'content-type': 'text/plain', 'content-length': '6' }
    app.get('/', () => new Response(webStream(pieces), { headers }))
    return listen(createAdaptorServer({ fetch: app.fetch }) as never)
  },
  'a web-standard handler': (ward, pieces) => {
    const fetch = guard(ward, {}, () => eventStream(pieces), { onFault: () => {} })
    return listen(createAdaptorServer({ fetch }) as never)
  },
  'Express, written': (ward, { send }) => {
    const app = guardExpress(express(), { ward, onFault: () => {} })
    app.get('/', async (_request, response) => {
      for await (const piece of send()) response.write(piece)
      response.end()
    })
    return listen(createServer(app))
  },
  'Express, piped, with its length': (ward, { send }) => {
    const app = guardExpress(express(), { ward, onFault: () => {} })
    app.get('/', (_request, response) => {
      response.set('content-length', '6')
      Readable.from(send()).pipe(response)
    })
    return listen(createServer(app))
  },
}

describe.each(Object.entries(starts))('%s', (_name, start) => {
  let ledger: FakeLedger
  let ward: TestWard<'right'>
  let pieces: Pieces
  let target: Awaited<ReturnType<typeof listen>>
  let connection: RawConnection
  beforeEach(async () => {
    ledger = createFakeLedger()
    ward = await createTestWard({ ledger, keys: { right: {} } })
    ledger.entries.length = 0
    await ledger.appended()
    pieces = createPieces()
    target = await start(ward, pieces)
    connection = new RawConnection(target.port)
  })
  afterEach(async () => {
    connection.close()
    ledger.release()
    await target.close()
  })

  const ask = (): void => {
    const headers = [keyHeader(ward.testKeys.right)]
    void connection.write(formatRequest({ method: 'GET', path: '/', headers }))
  }
  /**
   * All that was written by now has arrived: what is asked later, on a connection of its own, has
   * been answered.
   */
  async function settle(): Promise<void> {
    const other = new RawConnection(target.port)
    void other.write('nonsense\r\n\r\n')
    await other.ended()
    other.close()
  }
  const until = async (has: () => boolean): Promise<void> => {
    while (!has()) await settle()
  }

  test('started is durable before the first byte, finished before the last', async () => {
    ledger.hold()
    const started = ledger.appended()
    ask()
    await started
    await settle()
    expect(connection.received).toBe('')
    ledger.release()
    await until(() => connection.received.includes('one'))
    expect(ledger.entries).toMatchObject([{ event: 'request.started', status: 200, measures: {} }])
    ledger.hold()
    const finished = ledger.appended()
    pieces.goOn()
    await finished
    await settle()
    const held = await Promise.race([connection.answer().catch(() => 'broken'), settle().then(() => 'held')])
    expect(held).toBe('held')
    expect(ledger.entries).toHaveLength(1)
    ledger.release()
    await until(() => ledger.entries.length === 2)
    expect(ledger.entries[1]).toMatchObject({ event: 'request.finished', status: 200, keyId: ward.ids.right })
  })

  test('the whole answer arrives as it was written', async () => {
    pieces.goOn()
    ask()
    expect((await connection.answer()).body).toBe('onetwo')
    expect(ledger.entries.map(({ event }) => event)).toEqual(['request.started', 'request.finished'])
  })

  test('the ledger out before: 503, and nothing of the answer', async () => {
    ledger.fault = new Error('full')
    ask()
    const answer = await connection.answer()
    expectProblem(answer, 503, 'ledger_unavailable')
    expect(answer.headers.has('x-own')).toBe(false)
    pieces.goOn()
  })

  test('the ledger out in the middle: the answer breaks off, and is no whole one', async () => {
    ask()
    await until(() => connection.received.includes('one'))
    ledger.fault = new Error('full')
    pieces.goOn()
    await expect(connection.answer()).rejects.toThrow('ended before an answer')
  })

  test('a client that goes away in the middle: finished all the same, and told to be cut off', async () => {
    ask()
    await until(() => connection.received.includes('one'))
    connection.close()
    await until(() => ledger.entries.length === 2)
    expect(ledger.entries[1]).toMatchObject({ event: 'request.finished', detail: { aborted: true } })
    pieces.goOn()
  })
})
