import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { closeApps } from '../../../test/support/open-asking-app.ts'
import { openVerifyingApp as open } from '../../../test/support/open-verifying-app.ts'
import { Fault } from '../../core/fault.ts'
import type { KeyStore } from '../../keys/store/key-store.ts'
import { createInProcessLimiter } from '../../limits/in-process/in-process-limiter.ts'
import type { Limiter } from '../../limits/limiter.ts'
import { createMemoryKeyStore } from '../../storage/memory/key-store.ts'

afterEach(closeApps)

const idOf = (key: string): string => key.split('_')[2] ?? ''

describe('the record', () => {
  test('is one, under the key that was asked about, and names who asked', async () => {
    const { backend, createKey, verify, records } = await open()
    const key = await createKey({ owner: 'acme' })
    const answer = await verify(key, { route: 'POST /chat/{id}', address: '203.0.113.7' })
    expect(await records()).toMatchObject([
      {
        event: 'request.admitted',
        keyId: idOf(key),
        owner: 'acme',
        route: 'verify POST /chat/{id}',
        method: null,
        status: 200,
        code: null,
        requestId: answer.headers['x-request-id'],
        address: '203.0.113.7',
        measures: { requests: 1 },
        detail: { verifier: backend.id },
      },
    ])
  })

  test('of a refusal has its code and status; of a key that was not proven, no key', async () => {
    const { backend, createKey, keys, ward, verify, records } = await open()
    const key = await createKey({})
    await ward.keys.disable(idOf(key))
    await verify(key)
    await verify(keys.wrong)
    const common = { route: 'verify', address: null, measures: { requests: 0 } }
    const detail = { verifier: backend.id }
    expect(await records()).toMatchObject([
      { ...common, event: 'request.refused', keyId: idOf(key), code: 'key_disabled', status: 403, detail },
      { ...common, event: 'request.refused', keyId: null, code: 'key_invalid', status: 403, detail },
    ])
  })

  test('of an asker who may not ask, or asks wrongly, is the asker’s own', async () => {
    const { backend, ask, keys, verify, records } = await open()
    await ask('POST', '/v1/keys/verify', { body: { key: keys.admin } })
    await verify(7)
    expect(await records()).toMatchObject([
      { event: 'request.refused', code: 'scope_missing', status: 403, keyId: idOf(keys.right), detail: null },
      { event: 'request.admitted', code: 'input_invalid', status: 422, keyId: backend.id, measures: {} },
    ])
    expect((await records()).map(({ route }) => route)).toEqual(['/v1/keys/verify', '/v1/keys/verify'])
  })

  test('usage has the request under the key and its route, and none under who asked', async () => {
    const { backend, ask, keys, createKey, verify } = await open()
    const key = await createKey({})
    await verify(key, { route: 'POST /chat' })
    await verify(key, { take: false })
    const { usage } = (
      await ask('GET', '/v1/usage?by=key,route&since=2020-01-01', { key: keys.admin })
    ).json()
    expect(usage).toMatchObject([
      { key_id: idOf(key), route: 'verify', requests: 0, operational: 1 },
      { key_id: idOf(key), route: 'verify POST /chat', requests: 1, operational: 0 },
    ])
    expect(JSON.stringify(usage)).not.toContain(backend.id)
  })

  test('a key is used when its secret was proven, whatever the verdict', async () => {
    const store: KeyStore = { ...createMemoryKeyStore(), close: async () => {} }
    const { ward, createKey, verify } = await open({ ward: { store } })
    const key = await createKey({ scopes: ['other'] })
    await verify(key, { scope: 'predict' })
    await ward.close()
    expect((await store.findKey(idOf(key)))?.lastUsedAt).toBe(ward.time.now)
  })
})

test('the answer waits for the record', async () => {
  const ledger = createFakeLedger()
  const { app, createKey, verify } = await open({ ward: { ledger } })
  const key = await createKey({})
  await ledger.appended()
  ledger.hold()
  let isAnswered = false
  const answering = verify(key).then((answer) => {
    isAnswered = true
    return answer
  })
  await ledger.appended()
  // Whole answers of what has no record, so that this one would have left.
  for (let turn = 0; turn < 3; turn += 1) await app.inject({ url: '/health' })
  expect(isAnswered).toBe(false)
  ledger.release()
  expect((await answering).json().valid).toBe(true)
  expect(ledger.entries.filter(({ event }) => event.startsWith('request.'))).toHaveLength(1)
})

test('where nothing is recorded there is a verdict all the same', async () => {
  const { createKey, verify } = await open({ ward: { ledger: undefined } })
  expect((await verify(await createKey({}))).json().valid).toBe(true)
})

describe('who asks', () => {
  test('takes none of a customer’s limits, and no operational one with `keys:verify`; an administrator does', async () => {
    const { backend, ward, ask, keys, createKey, verify } = await open({
      ward: { limitOperational: '2/min' },
    })
    await ward.keys.update(backend.id, { limits: ['1/day'] })
    const key = await createKey({})
    for (let turn = 0; turn < 4; turn += 1) expect((await verify(key)).statusCode).toBe(200)
    expect(await ward.limits.status(backend.id)).toMatchObject([{ used: 0 }])
    const asked = { key: keys.admin, body: { key } }
    for (const status of [200, 200, 429])
      expect((await ask('POST', '/v1/keys/verify', asked)).statusCode).toBe(status)
  })

  test('may be an administrator; a browser’s session only with the CSRF header; no other key', async () => {
    const { app, ask, keys } = await open()
    const body = { key: keys.right }
    expect((await ask('POST', '/v1/keys/verify', { key: keys.admin, body })).json().valid).toBe(true)
    expect((await ask('POST', '/v1/keys/verify', { body })).json()).toMatchObject({
      code: 'scope_missing',
      detail: expect.stringContaining('`keys:verify`'),
    })
    const signedIn = await app.inject({ method: 'POST', url: '/session', payload: { key: keys.admin } })
    const cookie = String(signedIn.headers['set-cookie']).split(';')[0] ?? ''
    const asked = (headers: object): Promise<{ readonly statusCode: number }> =>
      app.inject({ method: 'POST', url: '/v1/keys/verify', payload: body, headers: { cookie, ...headers } })
    expect((await asked({})).statusCode).toBe(403)
    expect((await asked({ 'x-modelward-csrf': '1' })).statusCode).toBe(200)
  })

  test('without the scope learns nothing: the presented key is not looked at', async () => {
    const { ward, ask, keys } = await open()
    await ask('POST', '/v1/keys/verify', { body: {} })
    const before = ward.calls.get('findKey')
    const answer = await ask('POST', '/v1/keys/verify', { body: { key: keys.wrong } })
    expect(answer.json().code).toBe('scope_missing')
    expect(ward.calls.get('findKey')).toBe(before)
  })

  test('is never silenced by wrong keys: they count against the address that is named, or none', async () => {
    const { keys, createKey, verify } = await open({ ward: { limitBadKeys: '2/min' } })
    const limited = await createKey({ addresses: ['203.0.113.0/24'] })
    for (let turn = 0; turn < 50; turn += 1)
      expect((await verify(keys.wrong)).json().code).toBe('key_invalid')
    const codes: string[] = []
    for (let turn = 0; turn < 3; turn += 1)
      codes.push((await verify(keys.wrong, { address: '203.0.113.7' })).json().code)
    expect(codes).toEqual(['key_invalid', 'key_invalid', 'too_many_bad_keys'])
    expect((await verify(keys.wrong, { address: '203.0.113.8' })).json().code).toBe('key_invalid')
    expect((await verify(limited, { address: '203.0.113.7' })).json().valid).toBe(true)
    expect((await verify(limited, { address: '::ffff:203.0.113.7' })).json().valid).toBe(true)
    expect((await verify(limited)).json().code).toBe('address_denied')
  })

  test('an Idempotency-Key is not heeded: each ask is a decision', async () => {
    const { ward, backend, ask, createKey } = await open()
    const key = await createKey({ limits: ['9/min'] })
    const asked = { key: backend.key, body: { key }, headers: { 'idempotency-key': 'once' } }
    await ask('POST', '/v1/keys/verify', asked)
    await ask('POST', '/v1/keys/verify', asked)
    expect(await ward.limits.status(idOf(key))).toMatchObject([{ used: 2 }])
  })
})

/** A limiter that can be out, for all or for what is settled. */
function brittleLimiter(): { readonly limiter: Limiter; readonly out: Set<'take' | 'settle'> } {
  const out = new Set<'take' | 'settle'>()
  const inner = createInProcessLimiter({ clock: () => 0, monotonic: () => 0 })
  const fault = (): Promise<never> => Promise.reject(new Fault('limiter_unavailable', 'out'))
  const limiter: Limiter = {
    ...inner,
    take: (uses) => (out.has('take') ? fault() : inner.take(uses)),
    settle: (uses, at, costs) => (out.has('settle') ? fault() : inner.settle(uses, at, costs)),
  }
  return { limiter, out }
}

describe('a fault is a problem with 5xx, never `valid: false`, and takes nothing', () => {
  test('of the key store', async () => {
    const { ward, createKey, verify, records } = await open()
    const key = await createKey({ limits: ['9/min'] })
    await verify('')
    ward.outage.fault = new Fault('store_unavailable', 'out')
    const answer = await verify(key)
    expect(answer.statusCode).toBe(503)
    expect(answer.json()).toMatchObject({ code: 'store_unavailable' })
    expect(answer.json()).not.toHaveProperty('valid')
    ward.outage.fault = undefined
    expect(await ward.limits.status(idOf(key))).toMatchObject([{ used: 0 }])
    expect((await records()).at(-1)).toMatchObject({ code: 'store_unavailable', status: 503 })
  })

  test('of the limiter, when limits are taken', async () => {
    const { limiter, out } = brittleLimiter()
    const { ward, createKey, verify } = await open({ ward: { limiter } })
    const key = await createKey({ limits: ['9/min'] })
    out.add('take')
    const answer = await verify(key)
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'limiter_unavailable'])
    expect(await ward.limits.status(idOf(key))).toMatchObject([{ used: 0 }])
  })

  test('of the limiter, when what counts at once should come free', async () => {
    const { limiter, out } = brittleLimiter()
    const { createKey, verify } = await open({ ward: { limiter } })
    const key = await createKey({ limits: ['9/min', '1 concurrent'] })
    out.add('settle')
    const answer = await verify(key)
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'limiter_unavailable'])
  })

  test('of the ledger', async () => {
    const ledger = createFakeLedger()
    const { ward, createKey, verify } = await open({ ward: { ledger } })
    const key = await createKey({ limits: ['9/min', '99 tokens/day', '1 concurrent'] })
    ledger.fault = new Fault('ledger_unavailable', 'out')
    const answer = await verify(key, { cost: { tokens: 5 } })
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'ledger_unavailable'])
    expect(await ward.limits.status(idOf(key))).toMatchObject([{ used: 0 }, { used: 0 }, { used: 0 }])
  })
})
