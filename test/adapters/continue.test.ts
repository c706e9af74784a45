import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as onExpress from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import * as onHono from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { expectProblem, json, keyHeader, loveIt } from '../parity/ask.ts'
import { formatRequest, RawConnection } from '../parity/raw-http.ts'
import { listen } from './listen.ts'

interface Running {
  readonly port: number
  readonly close: () => Promise<void>
}

/**
 * Each app answers `POST /guarded` and `POST /open` with the text of the body, and `/deaf` without
 * reading it.
 */
const apps: Readonly<Record<string, (ward: TestWard<'right'>) => Promise<Running>>> = {
  async 'Fastify, a plugin in a scope'(ward) {
    const app = fastify({ bodyLimit: 1_000 })
    app.post('/open', async (request) => request.body)
    app.get('/deaf', { config: { guard: 'public' } }, (_request, reply) => reply.send('deaf'))
    app.register(async (scope) => {
      await scope.register(modelward, { ward })
      scope.post('/guarded', async (request) => request.body)
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
  async 'Fastify, a whole app'(ward) {
    const app = fastify({ bodyLimit: 1_000 })
    await app.register(modelward, { ward })
    app.post('/open', { config: { guard: 'public' } }, async (request) => request.body)
    app.get('/deaf', { config: { guard: 'public' } }, (_request, reply) => reply.send('deaf'))
    app.post('/guarded', async (request) => request.body)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
  'Express, guarded twice': (ward) => {
    const app = onExpress.guardApp(express(), { ward, public: ['/open', '/deaf'] })
    app.post('/guarded', onExpress.guard(ward, { scope: 'predict' }), express.json(), (request, response) => {
      response.json(request.body)
    })
    app.post('/open', express.json(), (request, response) => void response.json(request.body))
    app.get('/deaf', (_request, response) => void response.send('deaf'))
    return listen(createServer(app).on('checkContinue', app))
  },
  'Hono on Node, guarded twice': (ward) => {
    const app = onHono.guardApp(new Hono(), { ward, public: ['/open', '/deaf'] })
    app.post('/guarded', onHono.guard(ward, { scope: 'predict' }), async (c) => c.json(await c.req.json()))
    app.post('/open', async (c) => c.json(await c.req.json()))
    app.get('/deaf', (c) => c.text('deaf'))
    const server = createAdaptorServer({ fetch: app.fetch }) as Server
    server.on('checkContinue', (request, response) => server.emit('request', request, response))
    return listen(server)
  },
}

describe.each(Object.entries(apps))('Expect: 100-continue on %s', (_, start) => {
  let ward: TestWard<'right'>
  let running: Running
  beforeEach(async () => {
    ward = await createTestWard({ keys: { right: {} } })
    running = await start(ward)
  })
  afterEach(() => running.close())

  const expects = ['Expect', '100-continue'] as const
  function send(
    path: string,
    headers: readonly (readonly [string, string])[],
    method: 'GET' | 'POST' = 'POST',
  ): RawConnection {
    const connection = new RawConnection(running.port)
    const all = [json, expects, ['Content-Length', String(loveIt.length)] as const, ...headers]
    void connection.write(formatRequest({ method, path, headers: all }))
    return connection
  }

  test.each(['/guarded', '/open'])('%s: one 100, then the body is taken, then 200', async (path) => {
    const connection = send(path, [keyHeader(ward.testKeys.right)])
    await connection.receives('HTTP/1.1 100 Continue\r\n\r\n')
    void connection.write(loveIt)
    const answer = await connection.answer()
    expect(answer).toMatchObject({ status: 200, body: loveIt, interim: [100] })
    connection.close()
  })

  test('/guarded without a key: 401, and no 100', async () => {
    const connection = send('/guarded', [])
    const answer = await connection.answer()
    expectProblem(answer, 401, 'key_missing')
    expect(answer.interim).toEqual([])
    connection.close()
  })

  test('a route that does not read a body asks for none', async () => {
    const connection = send('/deaf', [], 'GET')
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'deaf', interim: [] })
    connection.close()
  })

  test('an admitted caller hears of an unknown path, having been asked for its body or not', async () => {
    const connection = send('/none', [keyHeader(ward.testKeys.right)])
    await connection.receives('HTTP/1.1 ')
    if (connection.received.startsWith('HTTP/1.1 100')) void connection.write(loveIt)
    expect((await connection.answer()).status).toBe(404)
    connection.close()
  })

  test('the same client may send its body without waiting', async () => {
    const connection = send('/guarded', [keyHeader(ward.testKeys.right)])
    void connection.write(loveIt)
    expect(await connection.answer()).toMatchObject({ status: 200, body: loveIt })
    connection.close()
  })
})

test('where Node itself tells the client to go on, as `app.listen` has it, it is told once', async () => {
  const ward = await createTestWard({ keys: { right: {} } })
  const app = onExpress.guardApp(express(), { ward })
  app.post('/guarded', express.json(), (request, response) => void response.json(request.body))
  const running = await listen(createServer(app))
  const connection = new RawConnection(running.port)
  const headers = [json, keyHeader(ward.testKeys.right), ['Expect', '100-continue']] as const
  void connection.write(formatRequest({ path: '/guarded', headers, body: loveIt }))
  expect(await connection.answer()).toMatchObject({ status: 200, body: loveIt, interim: [100] })
  connection.close()
  await running.close()
})
