import { describe, expect, test } from 'vitest'
import { useOf } from '../../../test/contract/limiter.contract.ts'
import { Fault, type FaultCode, faults } from '../../core/fault.ts'
import { Refusal, type RefusalCode, refusals } from '../../core/refusal.ts'
import { createInProcessLimiter } from '../../limits/in-process/in-process-limiter.ts'
import { createTakeLimits } from '../../limits/usage/take-limits.ts'
import { noUsage } from '../../limits/usage/usage.ts'
import type { Dialect } from '../presets/preset.ts'
import { problemIn } from './problem-in.ts'

const dialects: readonly Dialect[] = ['openai', 'anthropic', 'ollama', 'tgi']
const id = '0b1c'
const refusalCodes = Object.keys(refusals) as RefusalCode[]
const faultCodes = Object.keys(faults) as FaultCode[]
const all = [
  ...refusalCodes.map((code) => new Refusal(code, undefined, { reason: 'a secret reason' })),
  ...faultCodes.map((code) => new Fault(code, 'a secret message', { cause: new Error('a secret cause') })),
]

function bodyIn(dialect: Dialect, thrown: Refusal | Fault): unknown {
  return JSON.parse(problemIn(dialect, thrown, id).body)
}

/** The contract once more: code, status, OpenAI's type and code, Anthropic's type. */
const table = [
  ['key_missing', 401, 'invalid_request_error', 'invalid_api_key', 'authentication_error'],
  ['key_invalid', 401, 'invalid_request_error', 'invalid_api_key', 'authentication_error'],
  ['key_expired', 401, 'invalid_request_error', 'invalid_api_key', 'authentication_error'],
  ['key_revoked', 401, 'invalid_request_error', 'invalid_api_key', 'authentication_error'],
  ['key_disabled', 401, 'invalid_request_error', 'invalid_api_key', 'authentication_error'],
  ['key_not_yet_valid', 401, 'invalid_request_error', 'invalid_api_key', 'authentication_error'],
  ['scope_missing', 403, 'invalid_request_error', 'scope_missing', 'permission_error'],
  ['address_denied', 403, 'invalid_request_error', 'address_denied', 'permission_error'],
  ['forbidden', 403, 'invalid_request_error', 'forbidden', 'permission_error'],
  ['route_closed', 403, 'invalid_request_error', 'route_closed', 'permission_error'],
  ['model_not_found', 404, 'invalid_request_error', 'model_not_found', 'not_found_error'],
  ['rate_limited', 429, 'requests', 'rate_limit_exceeded', 'rate_limit_error'],
  ['concurrency_limited', 429, 'requests', 'rate_limit_exceeded', 'rate_limit_error'],
  ['too_many_bad_keys', 429, 'requests', 'rate_limit_exceeded', 'rate_limit_error'],
  ['quota_exhausted', 429, 'insufficient_quota', 'insufficient_quota', 'rate_limit_error'],
  ['input_invalid', 422, 'invalid_request_error', 'input_invalid', 'invalid_request_error'],
  ['body_too_large', 413, 'invalid_request_error', 'body_too_large', 'invalid_request_error'],
  ['media_type_unsupported', 415, 'invalid_request_error', 'media_type_unsupported', 'invalid_request_error'],
  ['method_not_allowed', 405, 'invalid_request_error', 'method_not_allowed', 'invalid_request_error'],
  ['not_found', 404, 'invalid_request_error', 'not_found', 'invalid_request_error'],
  ['key_ambiguous', 400, 'invalid_request_error', 'key_ambiguous', 'invalid_request_error'],
  ['upstream_failed', 502, 'server_error', 'upstream_failed', 'api_error'],
  ['upstream_unavailable', 503, 'server_error', 'upstream_unavailable', 'overloaded_error'],
  ['overloaded', 503, 'server_error', 'overloaded', 'overloaded_error'],
  ['ledger_unavailable', 503, 'server_error', 'ledger_unavailable', 'overloaded_error'],
  ['upstream_timeout', 504, 'server_error', 'upstream_timeout', 'api_error'],
  ['internal', 500, 'server_error', 'internal', 'api_error'],
] as const

describe.each(table)('%s', (code, status, openaiType, openaiCode, anthropicType) => {
  const thrown = code in refusals ? new Refusal(code as RefusalCode) : new Fault(code as FaultCode, 'why')
  const message = code in refusals ? refusals[code as RefusalCode].detail : faults[code as FaultCode].detail

  test('is OpenAI’s error', () => {
    expect(problemIn('openai', thrown, id).status).toBe(status)
    expect(bodyIn('openai', thrown)).toEqual({
      error: { message, type: openaiType, param: null, code: openaiCode },
      code,
      request_id: id,
    })
  })

  test('is Anthropic’s, Ollama’s and TGI’s', () => {
    for (const dialect of dialects) expect(problemIn(dialect, thrown, id).status).toBe(status)
    expect(bodyIn('anthropic', thrown)).toEqual({
      type: 'error',
      error: { type: anthropicType, message },
      code,
      request_id: id,
    })
    expect(bodyIn('ollama', thrown)).toEqual({ error: message, code, request_id: id })
    expect(bodyIn('tgi', thrown)).toEqual({ error: message, error_type: code, request_id: id })
  })
})

describe.each(dialects)('every refusal and fault in the dialect %s', (dialect) => {
  test('is JSON with the status of RFC 9457, but for a wrong key', () => {
    for (const thrown of all) {
      const { status, headers, body } = problemIn(dialect, thrown, id)
      expect(headers['content-type']).toBe('application/json')
      expect(body).toContain(thrown.code)
      expect(body).toContain(id)
      if (status !== thrown.status) expect([status, thrown.status]).toEqual([401, 403])
    }
  })

  test('shows no reason, message or cause', () => {
    for (const thrown of all) expect(JSON.stringify(problemIn(dialect, thrown, id))).not.toContain('secret')
  })

  test('has a challenge where it is 401, the guard’s own where it brings one', () => {
    for (const thrown of all) {
      const { status, headers } = problemIn(dialect, thrown, id, 'ApiKey realm="a"')
      expect(headers['www-authenticate'], thrown.code).toBe(status === 401 ? 'ApiKey realm="a"' : undefined)
    }
    const own = new Refusal('key_missing', undefined, { headers: { 'www-authenticate': 'Bearer realm="b"' } })
    expect(problemIn(dialect, own, id).headers['www-authenticate']).toBe('Bearer realm="b"')
  })
})

describe('what clients do next', () => {
  const refusalAfter = (seconds: number, code: RefusalCode = 'rate_limited') =>
    problemIn('openai', new Refusal(code, undefined, { headers: { 'retry-after': `${seconds}` } }), id)
      .headers

  test('a wait that they heed is told, a longer one as in vain', () => {
    expect(refusalAfter(60)).toMatchObject({ 'retry-after': '60' })
    expect(refusalAfter(60)).not.toHaveProperty('x-should-retry')
    expect(refusalAfter(61)).toMatchObject({ 'retry-after': '61', 'x-should-retry': 'false' })
    expect(refusalAfter(1, 'quota_exhausted')).toMatchObject({ 'x-should-retry': 'false' })
    const fault = new Fault('upstream_unavailable', 'why', { retryAfterSeconds: 90 })
    expect(problemIn('anthropic', fault, id).headers).toMatchObject({
      'retry-after': '90',
      'x-should-retry': 'false',
    })
  })

  test.each([
    ['60/min', 60, 'requests'],
    ['100 tokens/min', 100, 'tokens'],
    ['100 prompt_tokens/min', 100, 'tokens'],
    ['100 completion_tokens/h', 100, 'tokens'],
    ['100 images/h', 100, 'requests'],
  ])('the limit %s is told by what it counts', async (text, amount, type) => {
    const limiter = createInProcessLimiter({ clock: () => 0, monotonic: () => 0 })
    const take = createTakeLimits(limiter, () => {})
    const use = useOf('key:a', text, amount)
    await take([use], noUsage)
    const refusal = await take([useOf('key:a', text, 1)], noUsage)
    if (!(refusal instanceof Refusal)) throw new Error('it was not refused')
    expect(bodyIn('openai', refusal)).toMatchObject({ error: { type, code: 'rate_limit_exceeded' } })
  })
})

describe('an input that is wrong', () => {
  const errors = [
    { loc: ['body', 'messages', 0, 'content'], msg: 'expected text, got a number', type: 'string_type' },
    { loc: ['body', 'n'], msg: 'n: expected at most 8', type: 'too_large' },
  ]
  const refusal = new Refusal('input_invalid', undefined, { errors })

  test('is named in the sentence, and its first field as OpenAI’s `param`', () => {
    const message = 'messages[0].content: expected text, got a number; n: expected at most 8'
    expect(bodyIn('openai', refusal)).toMatchObject({ error: { message, param: 'messages[0].content' } })
    for (const dialect of dialects) expect(problemIn(dialect, refusal, id).body).toContain(message)
  })

  test('keeps a sentence of its own', () => {
    const own = new Refusal('input_invalid', 'The field `keep_alive` is closed.', {
      errors: [{ loc: ['body', 'keep_alive'], msg: 'closed', type: 'closed' }],
    })
    expect(bodyIn('openai', own)).toMatchObject({
      error: { message: 'The field `keep_alive` is closed.', param: 'keep_alive' },
    })
  })

  test.each([[['body']], [['query', 'limit']]])('%j is no field of a body', (loc) => {
    const other = new Refusal('input_invalid', undefined, { errors: [{ loc, msg: 'wrong', type: 'a' }] })
    expect(bodyIn('openai', other)).toMatchObject({ error: { message: 'wrong', param: null } })
  })
})
