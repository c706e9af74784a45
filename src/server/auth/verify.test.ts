import { afterEach, describe, expect, test } from 'vitest'
import { closeApps } from '../../../test/support/open-asking-app.ts'
import { headOf } from '../../../test/support/open-test-ward.ts'
import { openVerifyingApp as open, type VerifyingApp } from '../../../test/support/open-verifying-app.ts'
import type { TestAppOptions } from '../../../test/support/test-app.ts'
import { type RefusalCode, refusals } from '../../core/refusal.ts'

afterEach(closeApps)

const address = '127.0.0.1'
/** What `POST /predict` asks of a key, of the model that tests have. */
const predictScopes = ['predict', 'predict:constant']
const text = 'I love this'
const day = 86_400_000

/** A key, and how it is brought to where it is refused. */
interface Row {
  readonly is: string
  readonly code: RefusalCode
  readonly options?: TestAppOptions
  /** The key, at the moment at which it is refused. `use` is a request that passes. */
  readonly make: (opened: VerifyingApp, use: (key: string) => Promise<unknown>) => Promise<string> | string
  /** Whether the secret has matched. */
  readonly isProven: boolean
  readonly text?: string
  readonly cost?: object
}

const idOf = (key: string): string => key.split('_')[2] ?? ''

const rows: readonly Row[] = [
  { is: 'no key', code: 'key_missing', isProven: false, make: () => '' },
  { is: 'only space', code: 'key_missing', isProven: false, make: () => '  \t' },
  { is: 'no key of ours', code: 'key_invalid', isProven: false, make: () => 'sk-abc' },
  {
    is: 'a key cut short',
    code: 'key_invalid',
    isProven: false,
    make: ({ keys }) => keys.right.slice(0, -3),
  },
  { is: 'a wrong secret', code: 'key_invalid', isProven: false, make: ({ keys }) => keys.wrong },
  { is: '513 characters', code: 'key_invalid', isProven: false, make: () => 'k'.repeat(513) },
  { is: '4,097 characters', code: 'key_invalid', isProven: false, make: () => 'k'.repeat(4_097) },
  {
    is: 'a key of another environment',
    code: 'key_invalid',
    isProven: false,
    make: async ({ ward }) => (await ward.keys.create({ name: 'k', environment: 'test' })).text,
  },
  {
    is: 'a disabled key',
    code: 'key_disabled',
    isProven: true,
    async make({ ward, createKey }) {
      const key = await createKey({})
      await ward.keys.disable(idOf(key))
      return key
    },
  },
  {
    is: 'a key of tomorrow',
    code: 'key_not_yet_valid',
    isProven: true,
    make: ({ ward, createKey }) => createKey({ notBefore: ward.time.now + day }),
  },
  {
    is: 'a key that has expired, in memory',
    code: 'key_expired',
    isProven: true,
    async make({ ward, createKey }, use) {
      const key = await createKey({ expiresAt: ward.time.now + day })
      await use(key)
      ward.time.now += day
      return key
    },
  },
  {
    is: 'a secret that was replaced',
    code: 'key_expired',
    isProven: true,
    async make({ ward, createKey }) {
      const key = await createKey({})
      await ward.keys.rotate(idOf(key))
      return key
    },
  },
  {
    is: 'a secret whose overlap is over',
    code: 'key_expired',
    isProven: true,
    async make({ ward, createKey }) {
      const key = await createKey({})
      await ward.keys.rotate(idOf(key), { overlapMs: day })
      ward.time.now += day
      return key
    },
  },
  {
    is: 'a revoked key, in memory before',
    code: 'key_revoked',
    isProven: true,
    async make({ ward, createKey }, use) {
      const key = await createKey({})
      await use(key)
      await ward.keys.revoke(idOf(key))
      return key
    },
  },
  {
    is: 'an address that is not on the list',
    code: 'address_denied',
    isProven: true,
    make: ({ createKey }) => createKey({ addresses: ['192.0.2.0/24'] }),
  },
  {
    is: 'a key without the scope',
    code: 'scope_missing',
    isProven: true,
    make: ({ createKey }) => createKey({ scopes: ['other'] }),
  },
  { is: 'an admin key', code: 'scope_missing', isProven: true, make: ({ keys }) => keys.admin },
  {
    is: 'a key at its limit',
    code: 'rate_limited',
    isProven: true,
    async make({ createKey }, use) {
      const key = await createKey({ limits: ['1/min', '100/day'] })
      await use(key)
      return key
    },
  },
  {
    is: 'a key whose owner is at the limit',
    code: 'rate_limited',
    isProven: true,
    async make({ ward, createKey }, use) {
      await ward.owners.set('acme', ['1/min'])
      await use(await createKey({ owner: 'acme' }))
      return createKey({ owner: 'acme' })
    },
  },
  {
    is: 'everyone at the limit',
    code: 'rate_limited',
    isProven: true,
    options: { ward: { limitEveryone: ['1/min'] } },
    async make({ createKey }, use) {
      await use(await createKey({}))
      return createKey({})
    },
  },
  {
    is: 'a quota that is used up',
    code: 'quota_exhausted',
    isProven: true,
    async make({ createKey }, use) {
      const key = await createKey({ limits: ['1/calendar month'] })
      await use(key)
      return key
    },
  },
  {
    is: 'a key that has as much under way as it may',
    code: 'concurrency_limited',
    isProven: true,
    async make({ ward, createKey }) {
      const key = await createKey({ limits: ['1 concurrent'] })
      const held = ward.guard.open({}, headOf({ 'x-api-key': key }), 'POST')
      expect((await ward.guard.admit(held)).admitted).toBe(true)
      return key
    },
  },
  {
    is: 'a measure that a limit has no room for',
    code: 'rate_limited',
    isProven: true,
    cost: { characters: text.length },
    async make({ createKey }, use) {
      const key = await createKey({ limits: [`${text.length} characters/min`] })
      await use(key)
      return key
    },
  },
  {
    is: 'a cost beyond a limit’s whole amount',
    code: 'input_invalid',
    isProven: true,
    cost: { characters: text.length },
    make: ({ createKey }) => createKey({ limits: ['3 characters/min'] }),
  },
  {
    is: 'an address that sent too many wrong keys',
    code: 'too_many_bad_keys',
    isProven: false,
    options: { ward: { limitBadKeys: '1/min' } },
    async make({ keys }, use) {
      await use(keys.wrong)
      return keys.wrong
    },
  },
]

/**
 * Of requests: their form, their route, their body, their model, what they change. No key is at
 * fault there.
 */
const notOfKeys: readonly RefusalCode[] = [
  'request_malformed',
  'key_ambiguous',
  'forbidden',
  'route_closed',
  'not_found',
  'model_not_found',
  'job_not_found',
  'delivery_not_found',
  'method_not_allowed',
  'request_timeout',
  'key_conflict',
  'idempotency_in_flight',
  'body_too_large',
  'media_type_unsupported',
  'idempotency_mismatch',
  'storage_exhausted',
  'headers_too_large',
]

describe('the verdict on a key is what POST /predict answers', () => {
  test('the table has every code that can be a key’s', () => {
    const codes = new Set<string>(rows.map(({ code }) => code))
    expect([...codes, ...notOfKeys].toSorted()).toEqual(Object.keys(refusals).toSorted())
  })

  test.each(rows)('$is: $code', async ({ code, options, make, isProven, cost }) => {
    const asked = await open(options)
    const more = { any_scope: predictScopes, address, ...(cost && { cost }) }
    const key = await make(asked, (used) => asked.verify(used, more))
    const answer = await asked.verify(key, more)
    const other = await open(options)
    const ask = (used: string) => other.ask('POST', '/predict', { key: used, body: { text } })
    const predicted = await ask(await make(other, ask))
    expect(predicted.json()).toMatchObject({ code })
    expect(answer.statusCode).toBe(200)
    const verdict = answer.json()
    const { request_id: ours, ...problem } = verdict.problem
    const { request_id: theirs, ...predictedProblem } = predicted.json()
    expect(verdict).toMatchObject({ valid: false, code, status: predicted.statusCode, request_id: ours })
    expect(ours).not.toBe(theirs)
    expect(withoutIds(problem)).toEqual(withoutIds(predictedProblem))
    expect(verdict.detail).toBe(problem.detail)
    for (const name of Object.keys(verdict.headers))
      expect({ [name]: verdict.headers[name] }).toEqual({ [name]: predicted.headers[name.toLowerCase()] })
    // `POST /predict` has taken its one request by the time that it knows of the characters.
    if (code !== 'input_invalid')
      for (const name of ['www-authenticate', 'retry-after', 'ratelimit', 'ratelimit-policy'])
        expect(Object.keys(verdict.headers).some((written) => written.toLowerCase() === name)).toBe(
          predicted.headers[name] !== undefined,
        )
    const retryAfter = predicted.headers['retry-after']
    expect(verdict.retry_after).toBe(retryAfter === undefined ? null : Number(retryAfter))
    const identity = [verdict.key_id, verdict.name, verdict.owner, verdict.scopes, verdict.metadata]
    if (isProven) {
      expect(identity).not.toContain(null)
      expect(verdict.key_id).toBe(idOf(key))
    } else expect([...identity, verdict.environment, verdict.limits]).toEqual(Array(7).fill(null))
  })

  test('a key that is right: all of it, with the limits it took', async () => {
    const { ward, verify } = await open()
    const { record, text: key } = await ward.keys.create({
      name: 'Acme production',
      owner: 'acme',
      metadata: { plan: 'pro' },
      limits: ['60/min', '2 concurrent'],
      expiresAt: ward.time.now + day,
    })
    const answer = await verify(`  ${key}\n`, { scope: 'predict', address: '203.0.113.7' })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.json()).toEqual({
      valid: true,
      code: null,
      status: 200,
      detail: null,
      key_id: record.id,
      name: 'Acme production',
      owner: 'acme',
      environment: 'live',
      scopes: ['predict'],
      metadata: { plan: 'pro' },
      expires_at: new Date(ward.time.now + day).toISOString(),
      limits: [
        { limit: '60/min', of: 'key', used: 1, remaining: 59, frees_in: 60, passes_in: 0 },
        { limit: '2 concurrent', of: 'key', used: 1, remaining: 1, frees_in: null, passes_in: 0 },
      ],
      retry_after: null,
      headers: {
        'RateLimit-Policy': '"minute";q=60;w=60, "concurrent";q=2',
        RateLimit: '"minute";r=59;t=60, "concurrent";r=1',
        'X-RateLimit-Limit-Requests': '60',
        'X-RateLimit-Remaining-Requests': '59',
        'X-RateLimit-Reset-Requests': '60s',
      },
      problem: null,
      request_id: answer.headers['x-request-id'],
    })
  })

  test('the deployment’s status of wrong keys, and its scheme, change nothing but the status', async () => {
    const { verify, keys } = await open({ ward: { invalidKeyStatus: 401 } })
    expect((await verify(keys.wrong)).json()).toMatchObject({ code: 'key_invalid', status: 401 })
    expect((await verify(keys.right)).json()).toMatchObject({ valid: true })
  })
})

/** A message names its limit’s or scope’s own words; no id is among them. */
function withoutIds(problem: object): object {
  return JSON.parse(
    JSON.stringify(problem).replaceAll(/[0-9A-Za-z]{12}/g, (id) => (/\d/.test(id) ? '#' : id)),
  )
}
