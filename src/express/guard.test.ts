import { createServer } from 'node:http'
import express, { type Express, type Request, type Response } from 'express'
import express4 from 'express-4'
import { beforeEach, describe, expect, test } from 'vitest'
import { listen } from '../../test/adapters/listen.ts'
import { expectProblem, keyHeader } from '../../test/parity/ask.ts'
import type { RawAnswer } from '../../test/parity/raw-http.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import type { Demand } from '../guard/demand.ts'
import { apiKeyHeader } from '../guard/scheme.ts'
import { createTestWard, type TestWard } from '../ward/test-ward.ts'
import { callerOf, guard, guardApp, problems } from './index.ts'

/** Asks an app, over a socket, and gives the answers. */
async function ask(
  app: Express,
  ...asked: readonly (readonly [path: string, ...headers: (readonly [string, string])[]])[]
): Promise<readonly RawAnswer[]> {
  const running = await listen(createServer(app))
  try {
    const answers: RawAnswer[] = []
    for (const [path, ...headers] of asked) answers.push(await running.ask({ method: 'GET', path, headers }))
    return answers
  } finally {
    await running.close()
  }
}

const answerIn = (_request: Request, response: Response): void => void response.send('in')

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('a whole %s app', (_, create) => {
  let ward: TestWard<'right', true>
  let right: readonly [string, string]
  beforeEach(async () => {
    ward = await createTestWard({ keys: { right: { owner: 'acme' } } })
    right = keyHeader(ward.testKeys.right)
  })

  async function statuses(app: Express, paths: readonly string[], ...headers: (readonly [string, string])[]) {
    return (await ask(app, ...paths.map((path) => [path, ...headers] as const))).map(({ status }) => status)
  }

  test('is refused where it has a route, middleware, a router or another app already', () => {
    const declare: ((app: Express) => void)[] = [
      (app) => void app.get('/', answerIn),
      (app) => void app.use(answerIn),
      (app) => void app.use('/x', create.Router()),
      (app) => void app.use('/x', create()),
      (app) => void app.all('/x', answerIn),
      (app) => void app.route('/x'),
    ]
    for (const add of declare) {
      const app = create()
      add(app)
      expect(() => guardApp(app, { ward })).toThrow(
        /^guardApp: expected an app without routes, got one with 1:/,
      )
    }
    expect(() => guardApp(create().set('trust proxy', 1).set('etag', false), { ward })).not.toThrow()
    for (const none of [{}, undefined, null, create.Router(), () => {}])
      expect(() => guardApp(none as never, { ward })).toThrow(
        new TypeError('guardApp: expected an app of Express 5, or 4 from 4.19 on, got another'),
      )
  })

  test('guards routers, mounted apps, parameters, static files and errors, whenever they were declared', async () => {
    const app = guardApp(create(), { ward })
    const router = create.Router({ mergeParams: true })
    router.get(
      '/inner',
      (request: Request<{ id: string }>, response) => void response.send(request.params.id),
    )
    app.use('/users/:id', router)
    app.use('/mounted', create().get('/x', answerIn))
    app.use('/static', create.static(import.meta.dirname))
    app.param('id', (_request, _response, next) => next())
    app.all('/all', answerIn)
    const paths = ['/users/7/inner', '/mounted/x', '/static/index.ts', '/all', '/none', '/%zz']
    expect(await statuses(app, paths)).toEqual(paths.map(() => 401))
    expect((await statuses(app, paths, right)).slice(0, 4)).toEqual([200, 200, 200, 200])
  })

  test('mounted in another app, guards what is below it, and names the paths in its list from there', async () => {
    const inner = guardApp(create(), { ward, public: ['/open'] })
    inner.get('/open', answerIn).get('/closed', answerIn)
    const app = create().get('/front', answerIn).use('/models', inner)
    const paths = ['/front', '/models/open', '/models/closed', '/models/none', '/models', '/models/open/']
    expect(await statuses(app, paths)).toEqual([200, 200, 401, 401, 401, 401])
  })

  test('guarded twice, by the app around it and by itself, wants both wards', async () => {
    const service = await createTestWard({
      keys: { front: { owner: 'front' } },
      scheme: apiKeyHeader({ name: 'X-Service-Key' }),
    })
    const checked: string[] = []
    const demand: Demand = { check: ({ owner }) => void checked.push(owner) }
    const inner = guardApp(create(), { ward, demand })
    inner.get('/x', guard(ward, demand), (_request, response) => {
      response.json([callerOf(service, response).owner, callerOf(ward, response).owner])
    })
    const app = guardApp(create(), { ward: service, demand }).use('/in', inner)
    const front = ['X-Service-Key', service.testKeys.front] as const
    const answers = await ask(app, ['/in/x', front], ['/in/x', right], ['/in/x', front, right])
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 200])
    expect(JSON.parse(answers[2]?.body ?? '')).toEqual(['front', 'acme'])
    expect(checked).toEqual(['front', 'front', 'acme'])
  })

  test('a demand used four times is checked once per request', async () => {
    const runs: string[] = []
    const demand: Demand = { check: () => void runs.push('run') }
    const app = guardApp(create(), { ward, demand })
    const router = create.Router().use(guard(ward, demand))
    router.get('/y', guard(ward, demand), guard(ward, demand), answerIn)
    app.use('/x', router)
    expect(await statuses(app, ['/x/y', '/x/y'], right)).toEqual([200, 200])
    expect(runs).toHaveLength(2)
  })

  test('lets what stands in `before` answer first', async () => {
    const app = guardApp(create(), {
      ward,
      before: [
        (request, response, next) => {
          response.set('access-control-allow-origin', 'https://app.example')
          if (request.get('access-control-request-method') === undefined) next()
          else response.sendStatus(204)
        },
      ],
    })
    app.get('/x', answerIn)
    const [preflight, refused] = await ask(app, ['/x', ['Access-Control-Request-Method', 'GET']], ['/x'])
    expect([preflight?.status, refused?.status]).toEqual([204, 401])
    expect(refused?.headers.get('access-control-allow-origin')).toEqual(['https://app.example'])
  })

  test('an answer that was begun before the guard is not touched, and the route is not run', async () => {
    const ran: string[] = []
    const app = create()
    app.use((_request, response, next) => {
      response.send('already')
      next()
    })
    app.get('/x', guard(ward), () => void ran.push('x'))
    app.get(
      '/checked',
      guard(ward, { check: () => Promise.reject(new Refusal('forbidden')) }),
      () => void ran.push('y'),
    )
    app.use((_error: unknown, _request: Request, _response: Response, _next: unknown) => {})
    const answers = await ask(app, ['/x'], ['/checked', right])
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [200, 'already'],
      [200, 'already'],
    ])
    expect(ran).toEqual([])
  })

  test('a listener that throws, whatever it throws, opens nothing', async () => {
    const ran: string[] = []
    const onFault = (): never => {
      throw undefined
    }
    const app = create()
    const check = (): never => {
      throw new Fault('internal', 'oh')
    }
    app.get('/x', guard(ward, { check }, { onFault }), () => void ran.push('x'))
    expect(await statuses(app, ['/x'], right)).toEqual([500])
    expect(ran).toEqual([])
  })

  test('frozen locals: no caller could be told of, so the route is not run', async () => {
    const app = create()
    app.use((_request, response, next) => {
      Object.freeze(response.locals)
      next()
    })
    app.get('/x', guard(ward), answerIn)
    expect(await statuses(app, ['/x'], right)).toEqual([500])
  })

  test('an error that is not ours is left to Express, and to the app’s own error handler', async () => {
    const app = guardApp(create(), { ward })
    app.get('/x', () => {
      throw Object.assign(new Error('oh'), { status: 418 })
    })
    app.use(problems())
    expect(await statuses(app, ['/x'], right)).toEqual([418])
    app.use(
      (error: Error, _request: Request, response: Response, _next: unknown) =>
        void response.status(599).send(error.message),
    )
    const [answer] = await ask(app, ['/x', right])
    expect([answer?.status, answer?.body]).toEqual([599, 'oh'])
  })

  test('who is calling is told behind a guard alone', async () => {
    const app = guardApp(create(), { ward, public: ['/open'] })
    const read = (_request: Request, response: Response): void => {
      expect(() => callerOf(ward, response)).toThrow('no guard of this ward has seen it')
      // What a client or another middleware puts there proves nothing.
      response.locals = { caller: { owner: 'forged' } }
      expect(() => callerOf(ward, response)).toThrow(TypeError)
      response.send('read')
    }
    app.get('/open', read)
    expect(await statuses(app, ['/open'], right)).toEqual([200])
  })

  test('a check that never settles costs its own request alone, also when the client has gone', async () => {
    const app = guardApp(create(), { ward })
    const asked = Promise.withResolvers<void>()
    const settle = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    const check = (): Promise<void> => {
      asked.resolve()
      return settle.promise
    }
    app.get('/hangs', guard(ward, { check }), () => ended.resolve()).get('/x', answerIn)
    const running = await listen(createServer(app))
    const gone = new AbortController()
    const headers = { 'x-api-key': ward.testKeys.right }
    const hanging = fetch(`http://127.0.0.1:${running.port}/hangs`, { headers, signal: gone.signal })
    await asked.promise
    gone.abort()
    await expect(hanging).rejects.toThrow()
    expect((await running.ask({ method: 'GET', path: '/x', headers: [right] })).status).toBe(200)
    settle.resolve()
    await ended.promise
    expectProblem(await running.ask({ method: 'GET', path: '/x' }), 401, 'key_missing')
    await running.close()
  })

  test('wrong options throw when the guard is declared, with what was expected, what came and where', () => {
    const app = (options: object) => () => guardApp(create(), options as never)
    expect(app({})).toThrow(
      'guardApp: `ward`: expected a ward, from openModelward or createTestWard, got undefined',
    )
    expect(app({ ward, pubic: [] })).toThrow('`pubic`: there is no such option; did you mean `public`?')
    expect(app({ ward, public: '/health', before: () => {} })).toThrow(
      /`public`: expected an array of paths.*, got "\/health"; `before`: expected an array of middleware, got a function/,
    )
    expect(app({ ward, demand: { scope: 'Predict' } })).toThrow('guardApp: demand: `scope`: expected a scope')
    expect(() => guard(null as never)).toThrow('guard: `ward`: expected a ward')
    expect(() => guard(ward, { check: true } as never)).toThrow(
      'guard: `check`: expected a function, got true',
    )
    expect(() => guard(ward, {}, { onFault: 'log' } as never)).toThrow(
      'guard: `onFault`: expected a function, got "log"',
    )
  })
})
