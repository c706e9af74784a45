import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Fault } from '../core/fault.ts'
import { addHealthRoutes } from './health-routes.ts'

const apps: FastifyInstance[] = []
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** Whatever can be out, and can be changed while it is asked. */
function open() {
  const state = {
    ready: async (): Promise<void> => {},
    counts: async () => ({ queued: 0, running: 0 }),
    out: new Set<string>(),
    degraded: [] as readonly string[],
    isClosing: false,
    isStalled: false,
  }
  const app = fastify()
  apps.push(app)
  app.setErrorHandler((error, _request, reply) => {
    const { status, code } = error as Fault
    return reply.code(status).send({ code })
  })
  addHealthRoutes(app, {
    ward: { ready: () => state.ready() },
    jobs: { counts: () => state.counts() },
    models: new Map(['a', 'b'].map((name) => [name, { isOut: () => state.out.has(name) }])),
    isClosing: () => state.isClosing,
    isStalled: () => state.isStalled,
    degraded: () => state.degraded,
  })
  async function ask(path = '/ready') {
    const { statusCode, body } = await app.inject(path)
    return [statusCode, JSON.parse(body)]
  }
  return { state, ask }
}

const isReady = [200, { status: 'ok' }]
const gone = async (): Promise<never> => {
  throw new Fault('store_unavailable', 'gone')
}

describe('/ready', () => {
  test.each(['store_unavailable', 'ledger_unavailable'] as const)(
    'is 503 while requests would be %s, and 200 at once when that is over',
    async (code) => {
      const { state, ask } = open()
      expect(await ask()).toEqual(isReady)
      state.ready = async () => {
        throw new Fault(code, 'gone')
      }
      expect(await ask()).toEqual([503, { code }])
      expect(await ask('/health')).toEqual(isReady)
      state.ready = async () => {}
      expect(await ask()).toEqual(isReady)
    },
  )

  test('is 503 while the server closes, and while the disk does not answer', async () => {
    const { state, ask } = open()
    state.isClosing = true
    expect(await ask()).toEqual([503, { code: 'store_unavailable' }])
    state.isClosing = false
    state.isStalled = true
    expect(await ask()).toEqual([503, { code: 'ledger_unavailable' }])
  })

  test('names what only some requests need, once each', async () => {
    const { state, ask } = open()
    state.degraded = ['limits', 'jobs']
    state.counts = gone
    state.out.add('b')
    expect(await ask()).toEqual([200, { status: 'ok', degraded: ['limits', 'jobs', 'model:b'] }])
  })

  test('is no 200 where no model answers', async () => {
    const { state, ask } = open()
    state.out.add('a').add('b')
    expect(await ask()).toEqual([502, { code: 'model_failed' }])
  })

  test('asks a store that does not answer once, however often it is asked itself', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { state, ask } = open()
    const held = Promise.withResolvers<void>()
    let asked = 0
    state.ready = () => {
      asked += 1
      return held.promise
    }
    state.counts = async () => {
      asked += 1
      await held.promise
      return { queued: 0, running: 0 }
    }
    for (let at = 0; at < 3; at += 1) {
      const before = vi.getTimerCount()
      const answer = ask()
      await vi.waitUntil(() => vi.getTimerCount() > before, { timeout: 30_000 })
      await vi.advanceTimersByTimeAsync(1_000)
      expect(await answer).toEqual([503, { code: 'store_unavailable' }])
    }
    expect(asked).toBe(2)
    vi.useRealTimers()
    held.resolve()
    expect(await ask()).toEqual(isReady)
    state.ready = async () => {}
    expect(await ask()).toEqual(isReady)
  })

  test('is measured once for all who ask at the same time, and again for the next', async () => {
    const { state, ask } = open()
    let measured = 0
    const held = Promise.withResolvers<void>()
    state.ready = () => {
      measured += 1
      return held.promise
    }
    const both = Promise.all([ask(), ask()])
    await expect.poll(() => measured).toBe(1)
    held.resolve()
    expect(await both).toEqual([isReady, isReady])
    await ask()
    expect(measured).toBe(2)
  })
})
