import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKey, expectProblem, get, json, keyHeader, loveIt, predict } from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import { exchange, formatRequest, type RawAnswer } from './raw-http.ts'

const later = ['Prefer', 'respond-async'] as const
const named = (name: string) => ['Idempotency-Key', name] as const

/** Rows 44 and 45: repeated requests, and predictions that are answered later. */
export function describeJobRows(start: StartTarget): void {
  let target: ParityTarget
  let key: string
  beforeAll(async () => {
    target = await start()
    key = await createKey(target, { owner: 'acme' })
  })
  afterAll(() => target.close())

  const ask = (
    headers: readonly (readonly [string, string])[],
    body = loveIt,
    by = key,
  ): Promise<RawAnswer> => predict(target, { headers: [keyHeader(by), ...headers], body })
  const cancel = (path: string, by: string): Promise<RawAnswer> =>
    exchange(target.port, formatRequest({ method: 'DELETE', path, headers: [keyHeader(by), json] }))

  test('44 the same Idempotency-Key: replayed, with another body 422, of another owner by itself', async () => {
    const before = target.predicted.length
    const first = await ask([named('n1')])
    const again = await ask([named('"n1"')])
    expect([again.status, again.body]).toEqual([200, first.body])
    expect(again.headers.get('idempotency-replayed')).toEqual(['true'])
    expect(first.headers.has('idempotency-replayed')).toBe(false)
    expect(target.predicted.length - before).toBe(1)
    expectProblem(await ask([named('n1')], '{"text":"other"}'), 422, 'idempotency_mismatch')
    const stranger = await createKey(target, { owner: 'stranger' })
    const own = await ask([named('n1')], '{"text":"other"}', stranger)
    expect([own.status, JSON.parse(own.body).text]).toEqual([200, 'other'])
    expectProblem(await ask([named('two words')]), 422, 'input_invalid')
  })

  test('44 while the first is under way: 409 with Retry-After; the name of one that failed is free', async () => {
    target.model.does = 'hang'
    const before = target.predicted.length
    const first = ask([named('n2')])
    // The model has been called, so that the name is taken.
    while (target.predicted.length === before) await new Promise((resolve) => setImmediate(resolve))
    const second = await ask([named('n2')])
    expectProblem(second, 409, 'idempotency_in_flight')
    expect(second.headers.get('retry-after')).toEqual(['1'])
    expectProblem(await first, 504, 'model_timeout')
    target.model.does = 'answer'
    expect((await ask([named('n2')])).status).toBe(200)
  })

  test('45 Prefer: respond-async: 202 with Location and Preference-Applied; the job is its owner’s alone, in every verb', async () => {
    const accepted = await ask([later])
    expect(accepted.status).toBe(202)
    const { id } = JSON.parse(accepted.body)
    expect(id).toMatch(/^job_[0-9A-Za-z]{22}$/)
    const path = `/jobs/${id}`
    expect(accepted.headers.get('location')).toEqual([path])
    expect(accepted.headers.get('preference-applied')).toEqual(['respond-async'])
    const ended = JSON.parse((await get(target, `${path}?wait=30`, [keyHeader(key)])).body)
    const atOnce = JSON.parse((await ask([])).body)
    expect(ended).toMatchObject({ status: 'succeeded', result: atOnce })
    const events = await get(target, `${path}/events`, [keyHeader(key)])
    expect(events.headers.get('content-type')).toEqual(['text/event-stream'])
    expect(events.body).toContain('"status":"succeeded"')
    for (const [by, status, code] of [
      [await createKey(target, { owner: 'stranger' }), 404, 'job_not_found'],
      [await createKey(target, { scopes: ['admin'] }), 403, 'scope_missing'],
      ['nonsense', 403, 'key_invalid'],
    ] as const) {
      for (const suffix of ['', '?wait=1', '/events'])
        expectProblem(await get(target, path + suffix, [keyHeader(by)]), status, code)
      expectProblem(await cancel(path, by), status, code)
    }
    expectProblem(await get(target, path), 401, 'key_missing')
    expect(JSON.parse((await cancel(path, key)).body).status).toBe('succeeded')
  })

  test('45 preferences that mean nothing here change nothing', async () => {
    for (const preference of ['wait=5', 'return=minimal', 'respond-async=never', '"respond-async"']) {
      const answer = await ask([['Prefer', preference]])
      expect([answer.status, answer.headers.has('preference-applied')]).toEqual([200, false])
    }
    expect((await ask([['Prefer', 'wait=5'], later])).status).toBe(202)
  })
}
