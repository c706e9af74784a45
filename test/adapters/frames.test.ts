import { resolve } from 'node:path'
import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { guard as guardExpress, guardApp as guardExpressApp, problems } from '../../src/express/index.ts'
import { modelward } from '../../src/fastify/index.ts'
import { guard as guardHono, guardApp as guardHonoApp, guardRoute } from '../../src/hono/index.ts'
import { createTestWard, type TestWard } from '../../src/ward/test-ward.ts'
import { guard as guardWeb, guardApp as guardWebApp } from '../../src/web/index.ts'
import { keyHeader } from '../parity/ask.ts'
import { adapters } from './adapters.ts'
import type { AppRoute } from './app-routes.ts'
import { createFakeLedger } from './fake-ledger.ts'

const sources = resolve('src')
const { stackTraceLimit } = Error

/** The stack that each handler under test was called with. */
const stacks: string[] = []

const fails: AppRoute['handle'] = () => {
  const error = new Error('of the handler')
  stacks.push(error.stack ?? '')
  throw error
}

const routes: readonly AppRoute[] = [
  { path: '/fails', handle: fails },
  { path: '/limited', guard: { scope: 'predict', limits: ['9/h'] }, handle: fails },
  {
    path: '/checked',
    guard: { check: () => void fails(neverRead, neverRead, neverRead) },
    handle: () => 'in',
  },
  { path: '/open', guard: 'public', handle: fails },
  { path: '/later', handle: () => Promise.resolve().then(() => fails(neverRead, neverRead, neverRead)) },
]

function neverRead(): never {
  throw new Error('read')
}

beforeEach(() => {
  Error.stackTraceLimit = 200
  stacks.length = 0
})
afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit
})

/** The frames of this package, as a stack shows them. */
const oursOf = (stack: string): readonly string[] =>
  stack.split('\n').filter((line) => line.includes(sources))

describe.each(adapters)('$name', (adapter) => {
  test('names each of its own functions in the stack of an error that a handler throws', async () => {
    const ward = await createTestWard({
      ledger: createFakeLedger(),
      keys: { right: {} },
      limitDefault: ['1000/h', '10 concurrent'],
    })
    const target = await adapter.start({ ward, routes })
    try {
      // Twice: once the key is known, the way is another.
      for (const { path } of [...routes, ...routes])
        await target.ask({ method: 'GET', path, headers: [keyHeader(ward.testKeys.right)] })
    } finally {
      await target.close()
      await ward.close()
    }
    expect(stacks).toHaveLength(2 * routes.length)
    expect(stacks.flatMap(oursOf).length).toBeGreaterThan(0)
    // Named: `at name (file)`, `at async name (file)`; a function without a name is `at file`.
    const nameless = stacks
      .flatMap(oursOf)
      .filter((line) => !/ at (?:async )?[\w$.#]+ (?:\[as \w+\] )?\(/.test(line))
    expect(nameless).toEqual([])
  })
})

describe('what is given to a framework has a name there', () => {
  let ward: TestWard
  beforeEach(async () => {
    ward = await createTestWard()
  })
  afterEach(() => ward.close())

  test('Fastify lists the plugin', async () => {
    const app = fastify()
    await app.register(modelward, { ward })
    await app.ready()
    expect(app.printPlugins()).toMatch(/ modelward \d+ ms$/m)
    await app.close()
  })

  test('Hono’s and Express’s middleware, and a web-standard handler', async () => {
    const recorded = await createTestWard({ ledger: createFakeLedger() })
    const ok = (): Response => new Response('ok')
    const guards = [ward, recorded].flatMap((one) => [
      guardHono(one),
      guardRoute(one).middleware,
      guardExpress(one),
      guardWeb(one, {}, ok),
    ])
    expect(new Set(guards.map(({ name }) => name))).toEqual(new Set(['modelwardGuard']))
    expect(guardWebApp(ok, { ward }).name).toBe('modelwardGuardApp')
    expect(problems().name).toBe('modelwardProblems')
    const routes = guardHonoApp(new Hono(), { ward }).routes.map(({ handler }) => handler.name)
    expect(routes).toEqual(['modelwardGuardApp'])
    const app = guardExpressApp(express(), { ward })
    const { stack } = app.router as unknown as { readonly stack: readonly { readonly name: string }[] }
    expect(stack.map(({ name }) => name)).toEqual(['modelwardGuardApp'])
    await recorded.close()
  })
})
