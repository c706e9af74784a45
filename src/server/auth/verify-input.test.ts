import { afterEach, describe, expect, test } from 'vitest'
import { closeApps } from '../../../test/support/open-asking-app.ts'
import { openVerifyingApp as open } from '../../../test/support/open-verifying-app.ts'

afterEach(closeApps)

const manyScopes = Array.from({ length: 33 }, (_, index) => `s${index}`)
const manyCosts = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`m${index}`, 1]))

const wrong: readonly (readonly [name: string, more: object, loc: readonly (string | number)[]])[] = [
  ['an unknown field', { scopes: ['predict'] }, ['scopes']],
  ['a key that is no text', { key: 7 }, ['key']],
  ['null for a key', { key: null }, ['key']],
  ['an invalid scope', { scope: 'Not a scope' }, ['scope']],
  ['a list with an invalid scope', { scope: ['predict', 'P'] }, ['scope', 1]],
  ['an empty list of scopes', { scope: [] }, ['scope']],
  ['too many scopes', { scope: manyScopes }, ['scope']],
  ['an `any_scope` that is no list', { any_scope: 'predict' }, ['any_scope']],
  ['an empty `any_scope`', { any_scope: [] }, ['any_scope']],
  ['a negative cost', { cost: { tokens: -1 } }, ['cost', 'tokens']],
  ['a fractional cost', { cost: { tokens: 1.5 } }, ['cost', 'tokens']],
  ['a cost that is no number', { cost: { tokens: '5' } }, ['cost', 'tokens']],
  ['a cost beyond 10⁹', { cost: { tokens: 1_000_000_001 } }, ['cost', 'tokens']],
  ['`cost.concurrent`', { cost: { concurrent: 1 } }, ['cost', 'concurrent']],
  ['`cost.requests`', { cost: { requests: 0 } }, ['cost', 'requests']],
  ['an invalid measure', { cost: { 'Tokens!': 1 } }, ['cost', 'Tokens!']],
  ['too many measures', { cost: manyCosts }, ['cost']],
  ['a `take` that is no boolean', { take: 'false' }, ['take']],
  ['a wrong address', { address: '203.0.113' }, ['address']],
  ['an address with a port', { address: '203.0.113.7:80' }, ['address']],
  ['an empty route', { route: '' }, ['route']],
  ['a route of 129 characters', { route: 'r'.repeat(129) }, ['route']],
  ['a route with a control character', { route: 'POST /\u001b[2J' }, ['route']],
]

describe('bad input is 422 with its place, and decides nothing', () => {
  test.each(wrong)('%s', async (_name, more, loc) => {
    const { ward, keys, verify } = await open()
    const answer = await verify(keys.right, more)
    expect(answer.statusCode).toBe(422)
    const { code, errors } = answer.json()
    expect(code).toBe('input_invalid')
    expect(errors[0].loc).toEqual(['body', ...loc])
    expect(ward.cachedKeys()).toBe(1)
  })

  test('no key, no body, both lists empty: each fault with its place', async () => {
    const { ask, backend, verify } = await open()
    for (const body of [{}, undefined]) {
      const answer = await ask('POST', '/v1/keys/verify', { key: backend.key, body })
      expect(answer.statusCode).toBe(422)
    }
    const { errors } = (await verify(undefined)).json()
    expect(errors).toEqual([{ loc: ['body', 'key'], msg: 'Field required', type: 'missing' }])
    const both = (await verify('k', { scope: [], any_scope: [] })).json()
    expect(both.errors.map(({ loc }: { readonly loc: unknown }) => loc)).toEqual([
      ['body', 'scope'],
      ['body', 'any_scope'],
    ])
  })

  test('a route with a key of ours in it', async () => {
    const { keys, verify, records } = await open()
    const answer = await verify('', { route: `GET /chat?key=${keys.right}` })
    expect(answer.json()).toMatchObject({ code: 'input_invalid', errors: [{ loc: ['body', 'route'] }] })
    expect(answer.body + JSON.stringify(await records())).not.toContain(keys.right)
  })

  test('a measure called `__proto__`', async () => {
    const { app, backend, keys } = await open()
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/keys/verify',
      headers: { 'x-api-key': backend.key, 'content-type': 'application/json' },
      payload: `{"key":"${keys.right}","cost":{"__proto__":5}}`,
    })
    expect(answer.statusCode).toBe(422)
  })

  test('a body beyond 8 KiB is 413', async () => {
    const { verify } = await open()
    expect((await verify('k'.repeat(8_183))).statusCode).toBe(413)
    expect((await verify('k'.repeat(8_182))).json().code).toBe('key_invalid')
  })
})

describe('what may be asked', () => {
  test('all scopes, as a text or a list, and one of others beside them', async () => {
    const { createKey, verify } = await open()
    const key = await createKey({ scopes: ['predict', 'chat:read'] })
    for (const [more, isValid] of [
      [{}, true],
      [{ scope: 'predict' }, true],
      [{ scope: ['predict', 'chat:read'] }, true],
      [{ scope: ['predict', 'chat:write'] }, false],
      [{ scope: 'predict', any_scope: ['chat:write', 'chat:read'] }, true],
      [{ any_scope: ['chat:write', 'other'] }, false],
    ] as const)
      expect([more, (await verify(key, more)).json().valid]).toEqual([more, isValid])
    expect((await verify(key, { scope: 'chat:write' })).json()).toMatchObject({
      code: 'scope_missing',
      detail: 'This API key lacks the scope `chat:write`.',
      limits: null,
      headers: { 'Content-Type': 'application/problem+json' },
    })
  })

  test('`""` is no key; a longest cost and a longest route pass', async () => {
    const { createKey, verify } = await open()
    expect((await verify('')).json()).toMatchObject({ valid: false, code: 'key_missing', status: 401 })
    const key = await createKey({ limits: ['2000000000 tokens/day'] })
    const longest = { cost: { tokens: 1_000_000_000 }, route: `POST ${'/r'.repeat(61)}x` }
    expect((await verify(key, longest)).json()).toMatchObject({ valid: true, limits: [{ used: 1e9 }] })
  })

  test('a client that presents a part of the route gets a verdict; no record has what was presented', async () => {
    const { verify, records } = await open()
    for (const [key, route] of [
      ['sk-abc', 'GET /sk-abc'],
      ['POST /chat', 'POST /chat'],
    ] as const) {
      expect((await verify(key, { route })).json()).toMatchObject({ code: 'key_invalid', status: 403 })
      const written = await records()
      expect(written.at(-1)?.route).toBe('verify')
      expect(JSON.stringify(written)).not.toContain(key)
    }
  })

  test('a measure is a limit’s own, not what objects happen to have', async () => {
    const { createKey, verify } = await open()
    const key = await createKey({ limits: ['5 constructor/min'] })
    expect((await verify(key)).json()).toMatchObject({ valid: true, limits: [{ used: 0 }] })
    expect((await verify(key, { cost: { constructor: 6 } })).json().code).toBe('input_invalid')
  })
})
