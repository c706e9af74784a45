import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPrometheus } from '../../src/prometheus/prometheus.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { keyHeader } from '../parity/ask.ts'
import { openTestWard } from '../support/open-test-ward.ts'
import { readMetrics, type Series } from '../support/read-metrics.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import { type AppRoute, appRoutes } from './app-routes.ts'

const measured: readonly AppRoute[] = [
  {
    path: '/open/breaks',
    guard: 'public',
    handle() {
      throw new Error('broken handler')
    },
  },
]

/** In the place of a code: an error that is the app's own to answer. */
const ofTheApp = 'of the app'

/** What each is answered with, and counted as. */
const requests: readonly (readonly [method: string, path: string, status: number, code: string])[] = [
  ['GET', '/health', 200, ''],
  ['GET', '/health', 200, ''],
  ['GET', '/open/who', 500, ofTheApp],
  ['GET', '/open/fails', 504, 'model_timeout'],
  ['GET', '/open/refuses', 403, 'forbidden'],
  ['GET', '/open/breaks', 500, ofTheApp],
]

describe.each([server, ...adapters])('$name: requests of public paths', (adapter) => {
  let target: AdapterTarget
  let series: (name: string) => Promise<readonly Series[]>
  let key: string
  let close: () => Promise<unknown>

  beforeEach(async () => {
    let now = 0
    const { measures, page, open } = createPrometheus({}, () => (now += 2_000))
    await open()
    const ward = await openTestWard({ telemetry: createTelemetry([], { measures }) })
    key = (await ward.keys.create({ name: 'right', scopes: ['predict'] })).text
    target = await adapter.start({ ward, routes: [...appRoutes, ...measured] })
    series = async (wanted) => readMetrics((await page()).text).filter(({ name }) => name === wanted)
    close = async () => {
      await target.close()
      await ward.close()
    }
  })
  afterEach(() => close())

  const routeOf = (path: string): string => (adapter.name.includes('web-standard') ? '' : path)
  /** The server is an app of its own, whose errors have a code. */
  const ownCode = adapter === server ? 'internal' : ''
  const countsOf = async (): Promise<Readonly<Record<string, number>>> => {
    const counts = await series('modelward_requests_total')
    return Object.fromEntries(
      counts.map(({ labels: { method, route, status, code }, value }) => [
        `${method} ${route} ${status} ${code}`,
        value,
      ]),
    )
  }

  test('are counted, each once, by route, method, status and code', async () => {
    const expected: Record<string, number> = {}
    for (const [method, path, status, code] of requests) {
      const answer = await target.ask({ method, path, headers: [] })
      expect(answer.status, path).toBe(status)
      const known = code === ofTheApp ? ownCode : code
      const name = `${method} ${routeOf(path)} ${status} ${known}`
      expected[name] = (expected[name] ?? 0) + 1
    }
    // Node says that an answer has left when it has: the client may have it before.
    await expect.poll(countsOf).toEqual(expected)
    const [timed] = (await series('modelward_request_duration_seconds_count')).filter(
      ({ labels }) => labels['route'] === routeOf('/health'),
    )
    expect(timed?.value).toBe(routeOf('/health') === '' ? requests.length : 2)
    const inFlight = await series('modelward_requests_in_flight')
    expect(inFlight.map(({ value }) => value)).toEqual([0])
  })

  test('are beside those that a guard sees, which are counted as before', async () => {
    await target.ask({ method: 'GET', path: '/health', headers: [] })
    await target.ask({ method: 'POST', path: '/predict', headers: [keyHeader(key)], body: '{"text":"a"}' })
    await target.ask({ method: 'GET', path: '/health', headers: [] })
    await expect.poll(async () => Object.values(await countsOf()).toSorted()).toEqual([1, 2])
  })
})
