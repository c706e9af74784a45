import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Fault, type FaultCode, faults } from './fault.ts'
import { classify, problemOf } from './problem.ts'
import { Refusal, type RefusalCode, refusals } from './refusal.ts'

const members = ['type', 'title', 'status', 'detail', 'code', 'request_id']

test.each(Object.keys(refusals) as RefusalCode[])(
  'the refusal %s has the members of RFC 9457 and our code',
  (code) => {
    const { status, headers, body } = problemOf(new Refusal(code), 'r1')
    expect(Object.keys(body)).toEqual(members)
    expect(body).toMatchObject({ status, code, request_id: 'r1', detail: refusals[code].detail })
    expect(headers['content-type']).toBe('application/problem+json')
  },
)

test.each(Object.keys(faults) as FaultCode[])(
  'the fault %s tells the client a fixed sentence and nothing of what happened',
  (code) => {
    const answer = problemOf(
      new Fault(code, 'password=hunter2', { cause: new Error('at /etc/secret') }),
      'r1',
    )
    expect(Object.keys(answer.body)).toEqual(members)
    expect(JSON.stringify(answer)).not.toMatch(/hunter2|secret/)
    expect(answer.body.status).toBeGreaterThanOrEqual(500)
  },
)

test('a fault may have a sentence of its own for the client, beside its message', () => {
  const fault = new Fault('model_failed', 'password=hunter2', { detail: 'Too large.' })
  expect(problemOf(fault, 'r1').body).toMatchObject({ status: 502, detail: 'Too large.' })
  expect(JSON.stringify(problemOf(fault, 'r1'))).not.toContain('hunter2')
})

test('a 503 says when to come back', () => {
  expect(problemOf(new Fault('store_unavailable', 'gone'), 'r1').headers['retry-after']).toBe('1')
  const known = new Fault('overloaded', 'full', { retryAfterSeconds: 7 })
  expect(problemOf(known, 'r1').headers['retry-after']).toBe('7')
})

test('no fault is a 401 or a 403, and no refusal a 5xx', () => {
  for (const { status } of Object.values(faults)) expect(status).toBeGreaterThanOrEqual(500)
  for (const { status } of Object.values(refusals)) expect(status).toBeLessThan(500)
})

test("an application's own words and errors go out with its refusal", () => {
  const errors = [{ loc: ['body', 'text'], msg: 'too long', type: 'too_long' }]
  expect(problemOf(new Refusal('forbidden', 'beta only'), 'r').body.detail).toBe('beta only')
  expect(problemOf(new Refusal('input_invalid', undefined, { errors }), 'r').body.errors).toEqual(errors)
})

test('whatever else is thrown is an internal fault that keeps its cause for the log', () => {
  const cause = new TypeError('x is undefined')
  expect(classify(cause)).toMatchObject({ code: 'internal', status: 500, cause })
  expect(classify('text')).toMatchObject({ code: 'internal', cause: 'text' })
  const refusal = new Refusal('forbidden')
  expect(classify(refusal)).toBe(refusal)
})

describe('another copy of this package', () => {
  const ours = { Refusal, Fault }
  let other: typeof ours

  beforeAll(async () => {
    vi.resetModules()
    other = { ...(await import('./refusal.ts')), ...(await import('./fault.ts')) }
    expect(other.Refusal).not.toBe(Refusal)
  })

  test('has its refusals and faults answered as ours are, and ours by it', () => {
    const headers = { 'www-authenticate': 'ApiKey' }
    const options = { headers, status: 401, errors: [], reason: 'why' } as const
    for (const [there, here] of [
      [other, ours],
      [ours, other],
    ] as const) {
      const refusal = new there.Refusal('key_invalid', 'no', options)
      const fault = new there.Fault('ledger_unavailable', 'gone')
      expect([refusal instanceof here.Refusal, refusal instanceof here.Fault]).toEqual([true, false])
      expect([fault instanceof here.Refusal, fault instanceof here.Fault]).toEqual([false, true])
    }
    const refusal = new other.Refusal('key_invalid', 'no', options)
    expect(classify(refusal)).toBe(refusal)
    expect(problemOf(refusal, 'r1')).toEqual(problemOf(new Refusal('key_invalid', 'no', options), 'r1'))
    const fault = new other.Fault('ledger_unavailable', 'gone')
    expect(problemOf(classify(fault), 'r1')).toEqual(problemOf(new Fault('ledger_unavailable', 'gone'), 'r1'))
  })

  test('has none of its errors taken for one of a subclass', () => {
    class Closed extends Refusal {}
    expect(new Closed('forbidden') instanceof Closed).toBe(true)
    expect(new Refusal('forbidden') instanceof Closed).toBe(false)
    expect(new other.Refusal('forbidden') instanceof Closed).toBe(false)
  })

  const changes = [
    { code: 'of_a_newer_version' },
    { code: 'constructor' },
    { code: '__proto__' },
    { status: 200 },
    { status: 302 },
    { status: 500 },
    { status: '403' },
    { headers: { location: 1 } },
    { headers: null },
    { errors: 'all of it' },
    { message: { toString: () => 'text' } },
    { reason: {} },
  ]
  test.each(changes)('gains nothing by a refusal with %j, which no copy makes', (change) => {
    const made: unknown = Object.assign(new other.Refusal('forbidden'), change)
    expect(made instanceof Refusal).toBe(false)
    expect(problemOf(classify(made), 'r1')).toMatchObject({ status: 500, body: { code: 'internal' } })
  })

  test.each([{ code: 'ok' }, { status: 200 }, { status: 401 }, { message: undefined }])(
    'gains nothing by a fault with %j, which no copy makes',
    (change) => {
      const made: unknown = Object.assign(new other.Fault('store_unavailable', 'gone'), change)
      expect(made instanceof Fault).toBe(false)
      expect(classify(made).code).toBe('internal')
    },
  )

  test('is not what has the same fields without its mark, as JSON has', () => {
    const { code, status, headers, message } = new other.Refusal('forbidden')
    const lookalikes: readonly unknown[] = [
      { code, status, headers, message },
      Object.assign(new Error(message), { code, status, headers, name: 'Refusal' }),
      'modelward.refusal',
      null,
      undefined,
    ]
    for (const value of lookalikes) expect(value instanceof Refusal).toBe(false)
  })
})
