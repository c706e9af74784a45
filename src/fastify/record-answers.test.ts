import websocket from '@fastify/websocket'
import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createFakeLedger } from '../../test/adapters/fake-ledger.ts'
import { createTestWard } from '../ward/test-ward.ts'
import { modelward } from './guard.ts'

async function open() {
  const ledger = createFakeLedger()
  const ward = await createTestWard({ ledger, keys: { right: {} } })
  const app = fastify()
  await app.register(websocket)
  await app.register(modelward, { ward })
  ledger.entries.length = 0
  return { app, ledger, headers: { 'x-api-key': ward.testKeys.right } }
}

test('an upgrade is recorded before its handler runs, and when its connection is over', async () => {
  const { app, ledger, headers } = await open()
  const seen: number[] = []
  app.get('/ws', { websocket: true }, (socket) => {
    seen.push(ledger.entries.length)
    socket.send('in')
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = new WebSocket(`${address.replace('http', 'ws')}/ws`, { headers })
  await new Promise((resolve) => client.once('message', resolve))
  expect(seen).toEqual([1])
  expect(ledger.entries).toMatchObject([{ event: 'request.started', route: '/ws', status: null }])
  await ledger.appended()
  client.close()
  await ledger.appended()
  await app.close()
  expect(ledger.entries).toMatchObject([{}, { event: 'request.finished', measures: { requests: 1 } }])
})

test('an upgrade that cannot be recorded does not reach its handler', async () => {
  const { app, ledger, headers } = await open()
  let ran = 0
  app.get('/ws', { websocket: true }, () => {
    ran += 1
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  ledger.fault = new Error('full')
  const client = new WebSocket(`${address.replace('http', 'ws')}/ws`, { headers })
  const status = await new Promise((resolve) => {
    client.once('unexpected-response', (_request, response) => resolve(response.statusCode))
    client.once('error', () => {})
  })
  expect([status, ran]).toEqual([503, 0])
  await app.close()
})

test('HEAD and 204 have one record, even of a stream', async () => {
  const { app, ledger, headers } = await open()
  app.get('/', async () => new Response('in'))
  app.get('/none', async (_request, reply) => reply.code(204).send())
  expect((await app.inject({ method: 'HEAD', url: '/', headers })).statusCode).toBe(200)
  expect((await app.inject({ url: '/none', headers })).statusCode).toBe(204)
  expect(ledger.entries).toMatchObject([
    { event: 'request.admitted', method: 'HEAD', status: 200 },
    { event: 'request.admitted', status: 204 },
  ])
  await app.close()
})

test('a stream that breaks before its first byte has the record of what was answered in its place', async () => {
  const { app, ledger, headers } = await open()
  const { Readable } = await import('node:stream')
  app.get('/', async () => {
    const broken = new Readable({ read: () => broken.destroy(new Error('broken')) })
    return broken
  })
  expect((await app.inject({ url: '/', headers })).statusCode).toBe(500)
  expect(ledger.entries).toMatchObject([{ event: 'request.admitted', status: 500 }])
  await app.close()
})
