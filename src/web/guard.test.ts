import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import type { Demand } from '../guard/demand.ts'
import { apiKeyHeader } from '../guard/scheme.ts'
import { createTestWard, type TestWard } from '../ward/test-ward.ts'
import { callerOf, guard, guardApp } from './index.ts'

let ward: TestWard<'right' | 'office', true>
let printed: ReturnType<typeof vi.spyOn>
beforeEach(async () => {
  const office = { owner: 'office', addresses: ['203.0.113.0/24'] }
  ward = await createTestWard({ keys: { right: { owner: 'acme' }, office } })
  printed = vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterEach(() => {
  printed.mockRestore()
})

function request(
  path = '/x',
  headers: Record<string, string> = { 'x-api-key': ward.testKeys.right },
): Request {
  return new Request(`http://modelward.test${path}`, { headers })
}

describe('a guarded handler of web-standard requests', () => {
  test('is given the caller, and whatever else the runtime gives', async () => {
    const handler = guard(ward, { scope: 'predict' }, (_request, caller, params: { id: string }) =>
      Response.json([caller.owner, params.id]),
    )
    expect(await (await handler(request(), { id: '7' })).json()).toEqual(['acme', '7'])
  })

  test('never reads a refused body, and never runs', async () => {
    const ran: string[] = []
    const handler = guardApp(
      () => {
        ran.push('in')
        return new Response()
      },
      { ward },
    )
    let pulled = 0
    const body = new ReadableStream(
      {
        pull() {
          pulled += 1
        },
      },
      { highWaterMark: 0 },
    )
    const answer = await handler(
      new Request('http://modelward.test/', { method: 'POST', body, duplex: 'half' } as RequestInit),
    )
    expect([answer.status, pulled, ran]).toEqual([401, 0, []])
  })

  test('may be guarded several times: one look at the key, one run of each check, one request id, one word about a fault', async () => {
    const runs: string[] = []
    const demand: Demand = { check: () => void runs.push('run') }
    const told: Fault[] = []
    const onFault = (fault: Fault): void => void told.push(fault)
    const inner = guard(
      ward,
      demand,
      guard(ward, { needs: [demand, demand] }, () => new Response('in')),
    )
    const app = guardApp((asked) => inner(asked), { ward, demand, onFault })
    expect((await app(request())).status).toBe(200)
    expect(runs).toHaveLength(1)
    const failing = guard(ward, {}, () => Promise.reject(new Fault('model_failed', 'layer 3')), { onFault })
    const answer = await guardApp((asked) => failing(asked), { ward, onFault })(request())
    expect([answer.status, told.length]).toEqual([502, 1])
    expect(await answer.text()).not.toContain('layer 3')
  })

  test('runs its checks anew for a request that comes again', async () => {
    let isOpen = true
    const check = (): void => {
      if (!isOpen) throw new Refusal('forbidden')
    }
    const app = guardApp(() => new Response('in'), { ward, demand: { check } })
    const again = request()
    expect((await app(again)).status).toBe(200)
    isOpen = false
    expect((await app(again)).status).toBe(403)
  })

  test('takes a frozen request', async () => {
    const app = guardApp((asked) => Response.json(callerOf(ward, asked).owner), { ward })
    expect(await (await app(Object.freeze(request()))).json()).toBe('acme')
  })

  test('tells the guards within it the address', async () => {
    const app = guardApp(
      guard(ward, { scope: 'predict' }, () => new Response('in')),
      {
        ward,
        address: (asked: Request) => asked.headers.get('x-real-ip') ?? undefined,
      },
    )
    const key = { 'x-api-key': ward.testKeys.office }
    expect((await app(request('/', { ...key, 'x-real-ip': '203.0.113.7' }))).status).toBe(200)
    expect((await app(request('/', { ...key, 'x-real-ip': '203.0.114.7' }))).status).toBe(403)
    expect((await app(request('/', key))).status).toBe(403)
  })

  test('leaves an error that is not ours to the runtime, whatever was thrown', async () => {
    for (const thrown of [new Error('oh'), 'a word', undefined]) {
      const app = guardApp(() => Promise.reject(thrown), { ward })
      await expect(app(request())).rejects.toBe(thrown)
    }
    expect(printed).not.toHaveBeenCalled()
  })

  test('is behind two wards for two callers, each read by its ward', async () => {
    const service = await createTestWard({
      keys: { front: { owner: 'front' } },
      scheme: apiKeyHeader({ name: 'X-Service-Key', autoError: false }),
    })
    const handler = guard(
      service,
      {},
      guard(ward, {}, (asked) => Response.json([callerOf(service, asked), callerOf(ward, asked).owner])),
    )
    expect(await (await handler(request())).json()).toEqual([null, 'acme'])
    expect((await handler(request('/', { 'x-service-key': service.testKeys.front }))).status).toBe(401)
  })
})

test('reading the caller where no guard ran throws, on a public path too', async () => {
  expect(() => callerOf(ward, request())).toThrow('no guard of this ward has seen it')
  const app = guardApp((asked) => Response.json(callerOf(ward, asked)), { ward, public: ['/open'] })
  await expect(app(request('/open'))).rejects.toThrow(TypeError)
})

test('wrong options throw when the guard is declared, with what was expected, what came and where', () => {
  const handler = (): Response => new Response()
  const app = (options: object) => () => guardApp(handler, options as never)
  expect(app({})).toThrow('guardApp: `ward`: expected a ward')
  expect(app({ ward, before: [] })).toThrow('`before`: there is no such option')
  expect(app({ ward, public: ['/a b'] })).toThrow('`public`: expected an array of paths')
  expect(app({ ward, demand: { needs: {} } })).toThrow(
    'guardApp: demand: `needs`: expected an array of demands, got an object',
  )
  expect(() => guard(ward, {}, undefined as never)).toThrow(
    'guard: `handler`: expected a function, got undefined',
  )
  expect(() => guard(ward, undefined as never, handler)).toThrow(
    'guard: expected an object of options, got undefined',
  )
})
