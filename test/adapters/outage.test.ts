import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import { apiKeyHeader } from '../../src/guard/scheme.ts'
import { expectProblem, keyHeader, unknownKey } from '../parity/ask.ts'
import type { RawAnswer } from '../parity/raw-http.ts'
import { openTestWard, type TestWard } from '../support/open-test-ward.ts'
import type { AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import { appRoutes, cause } from './app-routes.ts'

describe.each([server, ...adapters])('$name', (adapter) => {
  let ward: TestWard
  let target: AdapterTarget
  let key: string
  beforeEach(async () => {
    ward = await openTestWard({ schemes: [apiKeyHeader({ name: 'X-API-Key', autoError: false })] })
    key = (await ward.keys.create({ name: 'k' })).text
    target = await adapter.start({ ward, routes: appRoutes })
  })
  afterEach(() => target.close())

  const ask = (path: string, ...keys: readonly string[]): Promise<RawAnswer> =>
    target.ask({ method: 'GET', path, headers: keys.map(keyHeader) })

  function expectOutage(answer: RawAnswer): void {
    expect(expectProblem(answer, 503, 'store_unavailable').detail).toBe('The key store cannot be reached.')
    expect(answer.headers.get('retry-after')).toEqual(['1'])
    expect(answer.headers.has('www-authenticate')).toBe(false)
  }

  test('41 the store out: 503 with Retry-After for every key that must be looked up, and the cause for the log alone', async () => {
    ward.outage.fault = new Fault('store_unavailable', cause, { cause: new Error(cause) })
    for (const presented of [key, unknownKey(ward)]) {
      const answer = await ask('/unthought', presented)
      expectOutage(answer)
      expect(answer.body + JSON.stringify([...answer.headers])).not.toContain('passwd')
    }
    expect(target.toldFaults()).toContain('passwd')
    expect(target.toldFaults()).not.toContain(key)
  })

  test('41 the store out: who presents no key, or what can be none, is answered as ever', async () => {
    ward.outage.fault = new Fault('store_unavailable', cause)
    expectProblem(await ask('/any'), 401, 'key_missing')
    expect((await ask('/who')).status).toBe(200)
    expectProblem(await ask('/unthought', 'garbage'), 403, 'key_invalid')
    expectProblem(await ask('/unthought', key, key), 400, 'key_ambiguous')
    expect((await ask('/health')).status).toBe(200)
  })

  test('41 the store goes out under a key in memory: 200 for the lease, then 503; and 200 when it is back', async () => {
    expect((await ask('/unthought', key)).status).toBe(200)
    ward.outage.fault = new Fault('store_unavailable', cause)
    expect((await ask('/unthought', key)).status).toBe(200)
    ward.time.monotonic += 5_001
    expectOutage(await ask('/unthought', key))
    ward.outage.fault = undefined
    expect((await ask('/unthought', key)).status).toBe(200)
  })

  test('a store that throws what is no fault of ours: 5xx, and never 401, 403 or 200', async () => {
    ward.outage.fault = new RangeError(cause)
    const answer = await ask('/unthought', key)
    expect(answer.status).toBe(500)
  })

  test('a closed ward: 503 for a key, in memory or not, and 401 without one', async () => {
    expect((await ask('/unthought', key)).status).toBe(200)
    await ward.close()
    expectOutage(await ask('/unthought', key))
    expectProblem(await ask('/any'), 401, 'key_missing')
  })

  test('43 faults of a handler never show their cause, which is told to the app', async () => {
    for (const path of ['/fails', '/open/fails']) {
      const answer = await ask(path, key)
      expect([502, 504]).toContain(answer.status)
      expect(answer.body + JSON.stringify([...answer.headers])).not.toContain('passwd')
    }
    expect(target.toldFaults()).toContain('passwd')
  })
})
