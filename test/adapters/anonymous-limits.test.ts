import { afterEach, describe, expect, test } from 'vitest'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import { keyHeader } from '../parity/ask.ts'
import type { RawAnswer } from '../parity/raw-http.ts'
import { openTestWard, type TestWard } from '../support/open-test-ward.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import type { AppRoute } from './app-routes.ts'

const scheme = apiKeyHeader({ name: 'X-API-Key', autoError: false })

const routes: readonly AppRoute[] = [
  { path: '/open', handle: () => 'in' },
  { path: '/scope', guard: { scope: 'write' }, handle: () => 'in' },
  { path: '/status', guard: { billable: false }, handle: () => 'in' },
]

describe.each([server, ...adapters])('limits by address: $name', (adapter) => {
  let ward: TestWard
  let target: AdapterTarget
  afterEach(() => target.close())

  async function start(limits: Parameters<typeof openTestWard>[0]): Promise<void> {
    ward = await openTestWard({ schemes: [scheme], ...limits })
    target = await adapter.start({ ward, routes, isBehindProxy: true })
  }

  const askFrom = (address: string, path = '/open', key?: string): Promise<RawAnswer> =>
    target.ask({
      method: 'GET',
      path,
      headers: [['X-Forwarded-For', address], ...(key === undefined ? [] : [keyHeader(key)])],
    })

  async function statusesFrom(addresses: readonly string[], path?: string): Promise<number[]> {
    const statuses: number[] = []
    for (const address of addresses) statuses.push((await askFrom(address, path)).status)
    return statuses
  }

  test('each address without a key has its own, and an IPv6 network is one', async () => {
    await start({ limitAnonymous: ['2/min'] })
    const first = await askFrom('203.0.113.7')
    expect([first.status, first.headers.get('ratelimit')]).toEqual([200, ['"address-minute";r=1;t=60']])
    expect(await statusesFrom(['203.0.113.7', '203.0.113.7', '203.0.113.8'])).toEqual([200, 429, 200])
    expect(await statusesFrom(['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1'])).toEqual([
      200, 200, 429, 200,
    ])
    const refused = await askFrom('203.0.113.7')
    expect(refused.headers.get('retry-after')).toEqual(['60'])
    expect(JSON.parse(refused.body)).toMatchObject({
      code: 'rate_limited',
      detail: 'The limit of this address, 2/min, is used up; try again in 60 s.',
    })
  })

  test('a caller with a key takes none of it, and none is taken where a key is asked for', async () => {
    await start({ limitAnonymous: ['1/min'] })
    const { text } = await ward.keys.create({ name: 'k' })
    expect((await askFrom('203.0.113.7', '/open', text)).status).toBe(200)
    expect(await statusesFrom(['203.0.113.7', '203.0.113.7'], '/scope')).toEqual([401, 401])
    expect(await statusesFrom(['203.0.113.7', '203.0.113.7'])).toEqual([200, 429])
    expect((await askFrom('203.0.113.7', '/open', text)).status).toBe(200)
  })

  test('what it refuses uses up nothing that everyone shares', async () => {
    await start({ limitAnonymous: ['1/min'], limitEveryone: ['3/min'] })
    expect(await statusesFrom(['203.0.113.7', '203.0.113.7', '203.0.113.7'])).toEqual([200, 429, 429])
    const other = await askFrom('203.0.113.8')
    expect(other.headers.get('ratelimit')).toEqual(['"address-minute";r=0;t=60, "everyone-minute";r=1;t=60'])
  })

  test('operational requests without a key are counted by address as well', async () => {
    await start({ limitOperational: '1/min' })
    const statuses = await statusesFrom(['203.0.113.7', '203.0.113.7', '203.0.113.8'], '/status')
    expect(statuses).toEqual([200, 429, 200])
  })
})

test('limits for callers without a key, where every scheme asks for one, are a mistake at the start', async () => {
  await expect(openTestWard({ limitAnonymous: ['2/min'] })).rejects.toThrow(
    new TypeError(
      '`limitAnonymous`: no scheme lets a request without a key pass; give one `autoError: false`',
    ),
  )
})
