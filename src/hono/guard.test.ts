import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer, upgradeWebSocket } from '@hono/node-server'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { methodOverride } from 'hono/method-override'
import { streamText } from 'hono/streaming'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { listen } from '../../test/adapters/listen.ts'
import { keyHeader } from '../../test/parity/ask.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import type { Demand } from '../guard/demand.ts'
import { apiKeyHeader } from '../guard/scheme.ts'
import { createTestWard, type TestWard } from '../ward/test-ward.ts'
import { callerOf, guard, guardApp } from './index.ts'

let ward: TestWard<'right' | 'reader', true>
let right: { readonly headers: Record<string, string> }
let printed: ReturnType<typeof vi.spyOn>
beforeEach(async () => {
  ward = await createTestWard({ keys: { right: { owner: 'acme' }, reader: { scopes: ['read'] } } })
  right = { headers: { 'x-api-key': ward.testKeys.right } }
  printed = vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterEach(() => {
  printed.mockRestore()
})

async function statuses(app: Hono, paths: readonly string[], init?: RequestInit): Promise<readonly number[]> {
  return Promise.all(paths.map(async (path) => (await app.request(path, init)).status))
}

describe('a whole Hono app', () => {
  test('is refused where it has a route, middleware or a mounted app already', () => {
    const made = [
      new Hono().get('/', (c) => c.text('')),
      new Hono().use(cors()),
      new Hono().route(
        '/x',
        new Hono().get('/', (c) => c.text('')),
      ),
      new Hono().mount('/x', () => new Response()),
    ]
    for (const app of made)
      expect(() => guardApp(app, { ward })).toThrow(
        /^guardApp: expected an app without routes, got one with 1:/,
      )
    expect(() =>
      guardApp(
        new Hono().onError((_, c) => c.text('')),
        { ward },
      ),
    ).not.toThrow()
    for (const none of [{}, undefined, null, () => new Response()])
      expect(() => guardApp(none as never, { ward })).toThrow(
        new TypeError('guardApp: expected an app of Hono 4, got another'),
      )
  })

  test('is refused where middleware without a path stands before one path alone, as in Hono 3', () => {
    const app = new Hono()
    const { use } = app
    app.use = ((handler: MiddlewareHandler) => use('/', handler)) as typeof use
    expect(() => guardApp(app, { ward })).toThrow(
      new TypeError('guardApp: expected an app of Hono 4, got another'),
    )
  })

  test('guards mounted apps, sub-apps, base paths, all methods, whenever they were declared', async () => {
    // Mounting takes an app of any variables; its type asks for one without.
    const app = guardApp(new Hono(), { ward }) as unknown as Hono
    app.mount('/mounted', () => new Response('in'))
    app.route(
      '/sub',
      new Hono().get('/inner', (c) => c.text('in')),
    )
    app.basePath('/base').get('/inner', (c) => c.text('in'))
    app.on(['GET', 'PURGE'], '/on', (c) => c.text('in'))
    app.all('/all', (c) => c.text('in'))
    app.notFound((c) => c.text('in'))
    const paths = ['/mounted', '/mounted/x', '/sub/inner', '/base/inner', '/on', '/all', '/none']
    expect(await statuses(app, paths)).toEqual(paths.map(() => 401))
    expect(await statuses(app, paths, right)).toEqual(paths.map(() => 200))
    for (const method of ['HEAD', 'OPTIONS', 'PURGE', 'TRACEY', 'head'])
      expect(await statuses(app, paths, { method })).toEqual(paths.map(() => 401))
  })

  test('mounted in another app, guards what is below it, with whole paths in its list of public ones', async () => {
    const inner = guardApp(new Hono(), { ward, public: ['/models/open', '/open'] })
    inner.get('/open', (c) => c.text('open')).get('/closed', (c) => c.text('closed'))
    const app = new Hono().get('/front', (c) => c.text('front')).route('/models', inner as unknown as Hono)
    expect(
      await statuses(app, ['/front', '/models/open', '/models/closed', '/models/none', '/models']),
    ).toEqual([200, 200, 401, 401, 401])
  })

  test('mounted by its `fetch`, guards itself, with the paths that it is asked for', async () => {
    const inner = guardApp(new Hono(), { ward, public: ['/open'] })
    inner.get('/open', (c) => c.text('open')).get('/closed', (c) => c.text('closed'))
    const app = new Hono().mount('/models', inner.fetch)
    expect(await statuses(app, ['/models/open', '/models/closed', '/models/none'])).toEqual([200, 401, 401])
    const running = await listen(createAdaptorServer({ fetch: app.fetch }) as Server)
    const ask = async (path: string) => (await running.ask({ method: 'GET', path })).status
    expect(await Promise.all(['/models/open', '/models/closed', '/models/none'].map(ask))).toEqual([
      200, 401, 401,
    ])
    await running.close()
  })

  test('with a base path, is guarded below it, and answers nothing outside', async () => {
    const app = guardApp(new Hono().basePath('/api'), { ward, public: ['/api/health'] })
    app.get('/health', (c) => c.text('ok')).get('/x', (c) => c.text('in'))
    const asked = await statuses(app as unknown as Hono, [
      '/api/health',
      '/api/x',
      '/api/none',
      '/api',
      '/x',
      '/',
    ])
    expect(asked).toEqual([200, 401, 401, 401, 404, 404])
  })

  test('lets what stands in `before` answer first: preflights, and the headers that a page needs to read a refusal', async () => {
    const app = guardApp(new Hono(), { ward, before: [cors({ origin: 'https://app.example' })] })
    app
      .get('/x', (c) => c.text('in'))
      .get('/thrown', () => {
        throw new Refusal('forbidden', 'no')
      })
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' }
    expect((await app.request('/x', { method: 'OPTIONS', headers })).status).toBe(204)
    for (const [path, init, status] of [
      ['/x', { headers }, 401],
      ['/thrown', { headers: { ...headers, ...right.headers } }, 403],
    ] as const) {
      const refused = await app.request(path, init)
      expect([refused.status, refused.headers.get('content-type')]).toEqual([
        status,
        'application/problem+json',
      ])
      expect(refused.headers.get('access-control-allow-origin')).toBe('https://app.example')
    }
  })

  test('asks about the method that the router will see, where another is put in its place', async () => {
    const app = new Hono()
    guardApp(app, { ward, public: ['POST /form'], before: [methodOverride({ app, header: 'x-method' })] })
    app.post('/form', (c) => c.text('posted')).delete('/form', (c) => c.text('deleted'))
    const post = { method: 'POST' }
    expect((await app.request('/form', post)).status).toBe(200)
    expect((await app.request('/form', { ...post, headers: { 'x-method': 'DELETE' } })).status).toBe(401)
  })

  test('compares public paths as they were sent, whatever the app makes of a path', async () => {
    const lenient = guardApp(new Hono({ strict: false }), { ward, public: ['/health'] })
    lenient.get('/health', (c) => c.text('ok'))
    expect(await statuses(lenient as unknown as Hono, ['/health', '/health/', '/%68ealth'])).toEqual([
      200, 401, 401,
    ])
    const byHost = guardApp(new Hono({ getPath: () => '/secret' }), { ward, public: ['/secret'] })
    byHost.get('/secret', (c) => c.text('in'))
    expect(await statuses(byHost as unknown as Hono, ['/other', '/secret'])).toEqual([401, 200])
  })
})

describe('what a Hono handler throws', () => {
  function throwing(thrown: unknown, configure: (app: Hono) => void = () => {}): Hono {
    const app = new Hono()
    configure(app)
    app.get('/unguarded', () => {
      throw thrown
    })
    app.get('/x', guard(ward) as never, guard(ward, { scope: 'predict' }) as never, () => {
      throw thrown
    })
    return app
  }

  test('a refusal is a problem, with a guard or without, and nothing is printed', async () => {
    const app = throwing(new Refusal('forbidden', 'beta only', { headers: { 'x-hint': 'ask' } }))
    for (const path of ['/x', '/unguarded']) {
      const answer = await app.request(path, right)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([403, 'application/problem+json'])
      expect(answer.headers.get('x-hint')).toBe('ask')
      const problem = (await answer.json()) as Record<string, unknown>
      expect(problem).toMatchObject({ code: 'forbidden', detail: 'beta only', status: 403 })
      expect(problem).toHaveProperty('request_id', answer.headers.get('x-request-id'))
    }
    expect(printed).not.toHaveBeenCalled()
  })

  test('a fault is a problem that does not reveal it, reported once, however many guards there are', async () => {
    const told: Fault[] = []
    const onFault = (fault: Fault): void => void told.push(fault)
    const fault = new Fault('model_failed', 'out of memory at layer 3')
    const app = guardApp(new Hono(), { ward, onFault })
    app.onError((_error, c) => c.text('of the app', 500))
    app.get('/x', guard(ward, {}, { onFault }), () => {
      throw fault
    })
    const answer = await app.request('/x', right)
    expect(answer.status).toBe(502)
    expect(await answer.text()).not.toContain('layer 3')
    expect(told).toEqual([fault])
  })

  test('our problem stands, whole, where the app’s error handler answered in another form', async () => {
    const app = throwing(new Refusal('forbidden', 'beta only'), (root) =>
      root.onError(
        () =>
          new Response('short', {
            status: 418,
            headers: {
              'content-length': '5',
              'content-encoding': 'identity',
              'retry-after': '9',
              'x-of-the-app': '1',
            },
          }),
      ),
    )
    const answer = await app.request('/x', right)
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ code: 'forbidden' })
    expect([...answer.headers.keys()]).not.toContain('content-length')
    expect([...answer.headers.keys()]).not.toContain('content-encoding')
    expect(answer.headers.get('x-of-the-app')).toBe('1')
  })

  test('an error that is not ours is left to Hono, and to the app’s own error handler', async () => {
    expect((await throwing(new HTTPException(418)).request('/x', right)).status).toBe(418)
    const app = throwing(new Error('oh'), (root) =>
      root.onError((error, c) => c.text(error.message, 599 as 500)),
    )
    const answer = await app.request('/x', right)
    expect([answer.status, await answer.text()]).toEqual([599, 'oh'])
  })
})

describe('who is calling', () => {
  test('is typed and frozen behind a guard; read where none ran, it throws', async () => {
    const app = guardApp(new Hono(), { ward, public: ['/open'] })
    const read = (c: Context) => c.json(callerOf(ward, c))
    app.get('/x', read).get('/open', read)
    expect(await (await app.request('/x', right)).json()).toMatchObject({ owner: 'acme' })
    expect((await app.request('/open')).status).toBe(500)
    expect((await app.request('/open', right)).status).toBe(500)
    expect(String(printed.mock.calls)).toContain('no caller was admitted')
  })

  test('is, behind guards of two wards, who the last one admitted; each runs the same demand’s check for its own caller', async () => {
    const service = await createTestWard({
      keys: { front: { owner: 'front' } },
      scheme: apiKeyHeader({ name: 'X-Service-Key' }),
    })
    const checked: string[] = []
    const demand: Demand = {
      check({ owner }) {
        checked.push(owner)
        if (owner !== 'front') throw new Refusal('forbidden')
      },
    }
    const app = new Hono().get('/x', guard(service, demand), guard(ward, demand), (c) =>
      c.text(c.var.caller.owner),
    )
    const headers = { ...right.headers, 'x-service-key': service.testKeys.front }
    expect((await app.request('/x', { headers })).status).toBe(403)
    expect(checked).toEqual(['front', 'acme'])
    const both = new Hono().get('/x', guard(service, demand), guard(ward), (c) => c.text(c.var.caller.owner))
    expect(await (await both.request('/x', { headers })).text()).toBe('acme')
    const each = new Hono().get('/x', guard(service), guard(ward), (c) =>
      c.json([callerOf(service, c).owner, callerOf(ward, c).owner]),
    )
    expect(await (await each.request('/x', { headers })).json()).toEqual(['front', 'acme'])
    expect((await both.request('/x', right)).status).toBe(401)
  })

  test('a demand used four times is checked once per request', async () => {
    const runs: string[] = []
    const demand: Demand = { check: () => void runs.push('run') }
    const app = guardApp(new Hono(), { ward, demand })
    const sub = new Hono()
      .use(guard(ward, demand))
      .get('/y', guard(ward, demand), guard(ward, demand), (c) => c.text('in'))
    app.route('/x', sub as unknown as Hono)
    expect((await app.request('/x/y', right)).status).toBe(200)
    expect(runs).toHaveLength(1)
    ward.advance('30d')
    expect((await app.request('/x/y', right)).status).toBe(200)
    expect(runs).toHaveLength(2)
  })
})

test('a streaming answer goes out as it is written, and a fault in it is not another answer', async () => {
  const app = guardApp(new Hono(), { ward })
  app.get('/x', (c) =>
    streamText(
      c,
      async (stream) => {
        await stream.write('begun ')
        throw new Fault('model_failed', 'out of memory')
      },
      async (_error, stream) => void (await stream.write('ended')),
    ),
  )
  const answer = await app.request('/x', right)
  expect([answer.status, await answer.text()]).toEqual([200, 'begun ended'])
})

test('a WebSocket that @hono/node-server would upgrade is refused before it, and upgraded with the right key', async () => {
  const app = guardApp(new Hono(), { ward })
  app.get('/socket', upgradeWebSocket(() => ({ onOpen: (_event, socket) => socket.send('in') })) as never)
  const websocket = { server: new WebSocketServer({ noServer: true }) as never }
  const server = createAdaptorServer({ fetch: app.fetch, websocket }) as Server
  const running = await listen(server)
  const url = `ws://127.0.0.1:${running.port}/socket`
  for (const [headers, status] of [
    [{}, 401],
    [{ 'x-api-key': 'wrong' }, 403],
  ] as const) {
    const [error] = (await once(new WebSocket(url, { headers }), 'error')) as [Error]
    expect(error.message).toContain(`${status}`)
  }
  const socket = new WebSocket(url, { headers: { 'x-api-key': ward.testKeys.right } })
  const [message] = (await once(socket, 'message')) as [Buffer]
  expect(String(message)).toBe('in')
  socket.terminate()
  await running.close()
})

test('a check that never settles costs its own request alone, also when the client has gone', async () => {
  let asked: () => void = () => {}
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const app = guardApp(new Hono(), { ward })
  const check = (): Promise<void> => {
    asked()
    return new Promise(() => {})
  }
  app.get('/hangs', guard(ward, { check }), (c) => c.text('in')).get('/x', (c) => c.text('in'))
  const running = await listen(createAdaptorServer({ fetch: app.fetch }) as Server)
  const gone = new AbortController()
  const hanging = fetch(`http://127.0.0.1:${running.port}/hangs`, { ...right, signal: gone.signal })
  await isAsked
  gone.abort()
  await expect(hanging).rejects.toThrow()
  const next = await running.ask({ method: 'GET', path: '/x', headers: [keyHeader(ward.testKeys.right)] })
  expect(next.status).toBe(200)
  await running.close()
})

test('wrong options throw when the guard is declared, with what was expected, what came and where', () => {
  const app = (options: object) => () => guardApp(new Hono(), options as never)
  expect(app({})).toThrow(
    'guardApp: `ward`: expected a ward, from openModelward or createTestWard, got undefined',
  )
  expect(app({ ward, publik: [] })).toThrow('`publik`: there is no such option; did you mean `public`?')
  expect(app({ ward, public: ['health'], before: [1] })).toThrow(
    /`public`: expected an array of paths.*, got an array; `before`: expected an array of middleware, got an array/,
  )
  expect(app({ ward, demand: { scopes: 'x' } })).toThrow(
    'guardApp: demand: `scopes`: there is no such option; did you mean `scope`?',
  )
  expect(app({ ward, address: '127.0.0.1', onFault: 1 })).toThrow(
    '`address`: expected a function, got "127.0.0.1"; `onFault`: expected a function, got 1',
  )
  expect(() => guard({} as never)).toThrow('guard: `ward`: expected a ward')
  expect(() => guard(ward, 'public' as never)).toThrow('guard: expected an object of options, got "public"')
  expect(() => guard(ward, {}, { onfault: () => {} } as never)).toThrow(
    'guard: `onfault`: there is no such option; did you mean `onFault`?',
  )
})
