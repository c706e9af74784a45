import { expect, test } from 'vitest'
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

test('a 503 says when to come back', () => {
  expect(problemOf(new Fault('store_unavailable', 'gone'), 'r1').headers['retry-after']).toBe('1')
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
