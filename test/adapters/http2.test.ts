import { once } from 'node:events'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type FastifyInstance, fastify } from 'fastify'
import { describe, expect, test } from 'vitest'
import { modelward } from '../../src/fastify/index.ts'
import { createTestWard } from '../../src/ward/test-ward.ts'
import { createFakeLedger, type FakeLedger } from './fake-ledger.ts'

const apps = [
  { name: 'Fastify', add: () => {} },
  // What `@fastify/middie` adds, and so each app of NestJS has.
  {
    name: 'Fastify with middleware of Express',
    add: (app: FastifyInstance) => app.decorate('use', () => {}),
  },
] as const

interface Target extends AsyncDisposable {
  readonly ledger: FakeLedger
  readonly right: string
  readonly ask: (
    path: string,
    headers: Readonly<Record<string, string>>,
  ) => Promise<readonly [unknown, string]>
}

async function start(add: (app: FastifyInstance) => unknown): Promise<Target> {
  const ledger = createFakeLedger()
  const ward = await createTestWard({ ledger, keys: { right: {} } })
  ledger.entries.length = 0
  const app = fastify({ http2: true })
  await app.register(modelward, { ward, onUnrecorded: () => {} })
  add(app as unknown as FastifyInstance)
  app.get('/whole', async (_request, reply) => reply.type('application/json').send('"whole"'))
  app.get('/stream', (_request, reply) => reply.send(Readable.from(['one', 'two'])))
  app.get('/raw', async (_request, reply) => {
    reply.hijack()
    reply.raw.write('one')
    reply.raw.end('two')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  return {
    ledger,
    right: ward.testKeys.right,
    async ask(path, headers) {
      const stream = client.request({ ':path': path, ...headers })
      const [answered] = await once(stream, 'response')
      return [answered[':status'], await text(stream)]
    },
    async [Symbol.asyncDispose]() {
      client.close()
      await app.close()
      await ward.close()
    },
  }
}

describe.each(apps)('$name over HTTP/2', ({ add }) => {
  test.each([
    ['/whole', 200, '"whole"', ['request.admitted']],
    ['/stream', 200, 'onetwo', ['request.started', 'request.finished']],
    ['/raw', 200, 'onetwo', ['request.started', 'request.finished']],
    ['/none', 404, expect.stringContaining('not found'), ['request.admitted']],
  ] as const)('%s is answered whole, and refused without a key', async (path, status, body, events) => {
    await using target = await start(add)
    expect(await target.ask(path, { 'x-api-key': target.right })).toEqual([status, body])
    expect(await target.ask(path, {})).toEqual([401, expect.stringContaining('key_missing')])
    expect(target.ledger.entries.map(({ event }) => event)).toEqual([...events, 'request.refused'])
  })

  test.each(['/whole', '/stream', '/raw'])('%s, the ledger out: 503, and its problem whole', async (path) => {
    await using target = await start(add)
    target.ledger.fault = new Error('full')
    const answer = await target.ask(path, { 'x-api-key': target.right })
    expect(answer).toEqual([503, expect.stringMatching(/"code":"ledger_unavailable".*}$/)])
  })
})
