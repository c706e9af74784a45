import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { createTestWard, type TestWard } from '../ward/test-ward.ts'
import { callerOf, modelward } from './index.ts'

let ward: TestWard<'right' | 'reader', true>
let app: FastifyInstance
let lines: string[]
const keyed = () => ({ 'x-api-key': ward.testKeys.right })
beforeEach(async () => {
  ward = await createTestWard({ keys: { right: { owner: 'acme' }, reader: { scopes: ['read'] } } })
  lines = []
  app = fastify({ logger: { level: 'error', stream: { write: (line) => void lines.push(line) } } })
})
afterEach(() => app.close())

async function statuses(paths: readonly string[], headers = {}): Promise<readonly number[]> {
  const answers = await Promise.all(paths.map((url) => app.inject({ url, headers })))
  return answers.map(({ statusCode }) => statusCode)
}

describe('where the plugin is registered', () => {
  test('twice in one app, or in a scope of a guarded one: refused, with the reason', async () => {
    await app.register(modelward, { ward })
    await expect(async () => void (await app.register(modelward, { ward }))).rejects.toThrow(
      'modelward: this app, or one around it, is guarded already',
    )
    const other = fastify()
    other.register(modelward, { ward })
    other.register(async (scope) => void (await scope.register(modelward, { ward })))
    await expect(other.ready()).rejects.toThrow('guarded already')
  })

  test('in two scopes side by side: each guards its own, and nothing else', async () => {
    const other = await createTestWard({ keys: { front: {} } })
    for (const [prefix, by] of [
      ['/a', ward],
      ['/b', other],
    ] as const)
      app.register(
        async (scope) => {
          scope.get('/early', async () => 'in')
          await scope.register(modelward, { ward: by })
          scope.get('/late', async (request) => callerOf(by, request).name)
        },
        { prefix },
      )
    app.get('/front', async () => 'front')
    const paths = ['/front', '/none', '/a/early', '/a/late', '/b/early', '/b/late']
    expect(await statuses(paths)).toEqual([200, 404, 401, 401, 401, 401])
    expect(await statuses(paths, keyed())).toEqual([200, 404, 200, 200, 403, 403])
    expect(await statuses(paths, { 'x-api-key': other.testKeys.front })).toEqual([
      200, 404, 403, 403, 200, 200,
    ])
  })

  test('in an app whose scope was guarded before: both guard, and neither opens the other', async () => {
    app.register(async (scope) => {
      await scope.register(modelward, { ward, default: 'public' })
      scope.get('/inner', async () => 'in')
    })
    app.register(modelward, { ward })
    expect(await statuses(['/inner', '/none'])).toEqual([401, 401])
  })

  test('after sub-apps, error handlers for unknown paths and all: they are covered', async () => {
    app.register(
      async (scope) => {
        scope.get('/inner', async () => 'in')
        scope.setNotFoundHandler(async () => 'of the scope')
      },
      { prefix: '/sub' },
    )
    app.setNotFoundHandler({ preValidation: (_request, _reply, done) => done() }, async () => 'of the app')
    app.register(modelward, { ward })
    const paths = ['/sub/inner', '/sub/none', '/none']
    expect(await statuses(paths)).toEqual([401, 401, 401])
    expect(await statuses(paths, keyed())).toEqual([200, 200, 200])
  })

  test('with `default: "public"`: only the routes that name a demand ask for a key', async () => {
    await app.register(modelward, { ward, default: 'public' })
    app.get('/open', async () => 'open').get('/closed', { config: { guard: {} } }, async () => 'in')
    expect(await statuses(['/open', '/closed', '/none'])).toEqual([200, 401, 404])
  })

  test('with a demand for `default`: every other route asks for that', async () => {
    await app.register(modelward, { ward, default: { scope: 'read' } })
    app.get('/x', async () => 'in').get('/any', { config: { guard: {} } }, async () => 'in')
    expect(await statuses(['/x', '/any', '/none'], keyed())).toEqual([403, 200, 403])
    expect(await statuses(['/x', '/any', '/none'], { 'x-api-key': ward.testKeys.reader })).toEqual([
      200, 200, 404,
    ])
  })
})

describe('a misspelt demand', () => {
  const misspelt = { guard: { scopes: 'predict' } } as never

  test('of a route after the plugin: the declaration fails', async () => {
    await app.register(modelward, { ward })
    expect(() => app.get('/x', { config: misspelt }, async () => 'in')).toThrow(
      'modelward: /x: config.guard: `scopes`: there is no such option; did you mean `scope`?',
    )
    expect(() => app.get('/y', { config: { guard: 'Public' as 'public' } }, async () => 'in')).toThrow(
      'modelward: /y: config.guard: expected a demand or \'public\', got "Public"',
    )
    for (const guard of [
      null,
      false,
      true,
      0,
      '',
      [],
      { scope: undefined },
      { check: undefined },
      { scope: [] },
      { scope: [['predict']] },
    ])
      expect(() => app.get('/z', { config: { guard: guard as never } }, async () => 'in')).toThrow(
        'modelward: /z: config.guard: ',
      )
  })

  test('of a route before the plugin: 500 for every caller, and never open', async () => {
    app.get('/x', { config: misspelt }, async () => 'in')
    await app.register(modelward, { ward })
    expect(await statuses(['/x', '/x'])).toEqual([500, 500])
    expect(await statuses(['/x'], keyed())).toEqual([500])
  })
})

describe('what a route throws', () => {
  const refuse = async (): Promise<never> => {
    throw new Refusal('forbidden', 'beta only')
  }

  test('is the error handler’s that the app had before the plugin; what the guard refuses, or fails in it, is not', async () => {
    app.setErrorHandler((error: Error, _request, reply) => reply.code(599).send(error.message))
    await app.register(modelward, { ward })
    app.get('/x', refuse)
    const check = () => Promise.reject(new Fault('internal', 'layer 3'))
    app.get('/fails', { config: { guard: { check } } }, async () => 'in')
    expect(await statuses(['/x'])).toEqual([401])
    const thrown = await app.inject({ url: '/x', headers: keyed() })
    expect([thrown.statusCode, thrown.body]).toEqual([599, 'beta only'])
    await ward.close()
    expect(await statuses(['/x'], keyed())).toEqual([503])
  })

  test('an error that is not ours is left to Fastify', async () => {
    await app.register(modelward, { ward })
    app.get('/x', async () => {
      throw Object.assign(new Error('oh'), { statusCode: 418 })
    })
    app.register(async (scope) => {
      scope.setErrorHandler((_error, _request, reply) => reply.code(599).send('of the scope'))
      scope.get('/y', refuse)
    })
    expect((await app.inject({ url: '/x', headers: keyed() })).json()).toMatchObject({
      statusCode: 418,
      message: 'oh',
    })
    expect(await statuses(['/y'], keyed())).toEqual([599])
  })

  test.each([[true], [false]])(
    'a fault of the guard shows no client its cause, on a route declared before the plugin too, with answersThrown: %s',
    async (answersThrown) => {
      const check = () =>
        Promise.reject(new Fault('internal', 'at /etc/passwd', { cause: new Error('deep') }))
      app.get('/early', { config: { guard: { check } } }, async () => 'in')
      await app.register(modelward, { ward, answersThrown })
      app.get('/late', { config: { guard: { check } } }, async () => 'in')
      for (const url of ['/early', '/late']) {
        const answer = await app.inject({ url, headers: keyed() })
        expect([answer.statusCode, answer.headers['content-type']]).toEqual([500, 'application/problem+json'])
        expect(answer.body).not.toContain('passwd')
      }
      expect(lines.join('')).toContain('deep')
    },
  )

  test('is logged where it can be, whatever it was', async () => {
    await app.register(modelward, { ward })
    const check = () => Promise.reject(new Response('of a client'))
    app.get('/x', { config: { guard: { check } } }, async () => 'in')
    expect(await statuses(['/x'], keyed())).toEqual([500])
    expect(lines.join('')).toContain('a non-error was thrown')
  })
})

test('@fastify/websocket upgrades no request without a key', async () => {
  await app.register(websocket)
  await app.register(modelward, { ward })
  app.get('/socket', { websocket: true }, (socket, request) => socket.send(callerOf(ward, request).owner))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const open = (path: string, headers: Record<string, string>) =>
    new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  for (const [path, headers, status] of [
    ['/socket', {}, 401],
    ['/socket', { 'x-api-key': 'wrong' }, 403],
    ['/none', {}, 401],
  ] as const) {
    const [error] = (await once(open(path, headers), 'error')) as [Error]
    expect(error.message).toContain(`${status}`)
  }
  const socket = open('/socket', keyed())
  const [message] = (await once(socket, 'message')) as [Buffer]
  expect(String(message)).toBe('acme')
  socket.terminate()
})

test('a path that Fastify cannot read runs no route', async () => {
  await app.register(modelward, { ward })
  app.get('/*', { config: { guard: 'public' } }, async () => 'in')
  expect((await app.inject('/%zz')).statusCode).toBe(400)
})

test('wrong options fail the registration, with what was expected, what came and where', async () => {
  for (const [options, message] of [
    [{}, 'modelward: `ward`: expected a ward, from openModelward or createTestWard, got undefined'],
    [{ ward: {} }, 'modelward: `ward`: expected a ward, from openModelward or createTestWard, got an object'],
    [{ ward: null }, 'got null'],
    [{ ward: 1, answersThrown: 'yes', onRefused: {} }, '`ward`: expected a ward'],
    [{ other: 1 }, '`other`: there is no such option; there are ward, default, answersThrown, onRefused'],
  ] as const) {
    const one = fastify()
    one.register(modelward, options as never)
    await expect(one.ready()).rejects.toThrow(message)
  }
  const two = fastify()
  two.register(modelward, { ward, default: { scopes: 'x' } as never })
  await expect(two.ready()).rejects.toThrow(
    'modelward: default: `scopes`: there is no such option; did you mean `scope`?',
  )
})
