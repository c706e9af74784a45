import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Refusal } from '../../src/core/refusal.ts'
import type { Demand } from '../../src/guard/demand.ts'
import { expectProblem, keyHeader } from '../parity/ask.ts'
import type { RawAnswer } from '../parity/raw-http.ts'
import { openTestWard, type TestWard } from '../support/open-test-ward.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import type { AppRoute } from './app-routes.ts'

/** What was run, in order. */
const ran: string[] = []
beforeEach(() => {
  ran.length = 0
})

/** Things to throw that are no errors; a framework takes some of them for leave to go on. */
const nonErrors: readonly (readonly [string, unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['zero', 0],
  ['empty', ''],
  ['false', false],
  ['true', true],
  ['route', 'route'],
  ['router', 'router'],
  ['object', { statusCode: 200, status: 200 }],
  ['response', new Response('in')],
]

function guarded(path: string, guard: Demand): AppRoute {
  const handle = (): string => {
    ran.push(path)
    return 'in'
  }
  return { path, guard, handle }
}

const shared: Demand = { check: () => void ran.push('shared') }
const asks: Demand = {
  needs: [shared, { needs: [shared], check: () => void ran.push('between') }],
  check: () => void ran.push('last'),
}
const scoped: Demand = { needs: [{ scope: 'a' }, { needs: [{ scope: ['b'] }], scope: 'c' }], scope: 'd' }

const routes: readonly AppRoute[] = [
  ...nonErrors.flatMap(([name, thrown]) => [
    guarded(`/throws/${name}`, {
      check() {
        throw thrown
      },
    }),
    guarded(`/rejects/${name}`, { check: () => Promise.reject(thrown) }),
    guarded(`/needs/${name}`, { needs: [{ check: () => Promise.reject(thrown) }] }),
  ]),
  guarded('/error', {
    check() {
      throw new TypeError('a mistake in a check')
    },
  }),
  // TypeScript takes a function that returns a boolean for one that returns nothing.
  guarded('/false', { check: () => false as unknown as undefined }),
  guarded('/false/later', { check: async () => false as unknown as undefined }),
  guarded('/true', { check: () => true as unknown as undefined }),
  guarded('/once', { needs: [shared, asks, { needs: [asks, shared] }], check: shared.check as () => void }),
  guarded('/scoped', scoped),
  guarded('/refused', {
    needs: [
      { check: () => void ran.push('first') },
      {
        check() {
          ran.push('second')
          throw new Refusal('forbidden', 'beta only', { headers: { 'x-hint': 'ask for it' } })
        },
      },
    ],
    check: () => void ran.push('never'),
  }),
]

describe.each([server, ...adapters])('a check on $name', (adapter) => {
  let ward: TestWard
  let target: AdapterTarget
  let key: string
  beforeAll(async () => {
    ward = await openTestWard()
    key = (await ward.keys.create({ name: 'k', owner: 'acme', scopes: ['a', 'b', 'c', 'd'] })).text
    target = await adapter.start({ ward, routes })
  })
  afterAll(() => target.close())

  const ask = (path: string, presented = key): Promise<RawAnswer> =>
    target.ask({ method: 'GET', path, headers: [keyHeader(presented)] })

  test.each(nonErrors)('that throws what is no error, %s: 500, and the route is not run', async (name) => {
    for (const path of [`/throws/${name}`, `/rejects/${name}`, `/needs/${name}`]) {
      expectProblem(await ask(path), 500, 'internal')
      expect(ran).toEqual([])
    }
  })

  test('that throws an error: 500, and the route is not run', async () => {
    expect((await ask('/error')).status).toBe(500)
    expect(ran).toEqual([])
  })

  test('that returns false instead of refusing: 500, and the route is not run; any other value is nothing', async () => {
    expectProblem(await ask('/false'), 500, 'internal')
    expectProblem(await ask('/false/later'), 500, 'internal')
    expect(ran).toEqual([])
    expect((await ask('/true')).status).toBe(200)
  })

  test('that several demands need runs once per request, in order, and again in the next', async () => {
    const once = ['shared', 'between', 'last', 'shared', '/once']
    expect((await ask('/once')).status).toBe(200)
    expect(ran).toEqual(once)
    expect((await ask('/once')).status).toBe(200)
    expect(ran).toEqual([...once, ...once])
  })

  test('that refuses ends the request, with its headers, before the checks behind it', async () => {
    const answer = await ask('/refused')
    expect(expectProblem(answer, 403, 'forbidden').detail).toBe('beta only')
    expect(answer.headers.get('x-hint')).toEqual(['ask for it'])
    expect(ran).toEqual(['first', 'second'])
  })

  test('asks for whatever the demands it needs ask for', async () => {
    expect((await ask('/scoped')).status).toBe(200)
    for (const missing of ['a', 'b', 'c', 'd']) {
      const scopes = ['a', 'b', 'c', 'd'].filter((scope) => scope !== missing)
      const { text } = await ward.keys.create({ name: 'k', scopes })
      const { detail } = expectProblem(await ask('/scoped', text), 403, 'scope_missing')
      expect(detail).toBe(`This API key lacks the scope \`${missing}\`.`)
    }
  })

  test('a key is looked up once, however often a request is guarded', async () => {
    const { text } = await ward.keys.create({ name: 'k', scopes: ['a', 'b', 'c', 'd'] })
    ward.calls.clear()
    expect((await ask('/once', text)).status).toBe(200)
    expect(ward.calls.get('findKey')).toBe(1)
  })
})
