import { describe, expect, test } from 'vitest'
import { collectEvents } from '../../test/support/collect-events.ts'
import { headOf, openTestWard, type TestWard, testPepper } from '../../test/support/open-test-ward.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { formatKey } from '../keys/record/key-text.ts'
import { drawPepper, parsePeppers } from '../secrets/peppers.ts'
import { createMemoryKeyStore } from '../storage/memory/key-store.ts'
import type { Caller } from './caller.ts'
import { apiKeyHeader, bearer } from './scheme.ts'
import { csrfHeader, sessionCookie } from './session.ts'
import type { Verdict } from './verdict.ts'

const withKey = (text: string, address?: string) => headOf({ 'x-api-key': text }, address)
const codeOf = (verdict: Verdict<Caller | null>): string =>
  verdict.admitted ? 'admitted' : verdict.refusal.code

const signIn = (ward: TestWard, text: string) =>
  ward.guard.signIn(ward.guard.open({}, headOf(), 'POST'), text)

describe('wrong keys by address', () => {
  test('a revoked and an expired key count as wrong ones; a right key, a disabled one and one without a scope never do', async () => {
    const ward = await openTestWard({ limitBadKeys: '3/min' })
    const made = async (name: string) => ward.keys.create({ name })
    const [right, disabled, revoked] = [await made('right'), await made('disabled'), await made('revoked')]
    const expired = await ward.keys.create({ name: 'expired', expiresAt: ward.time.now + 1_000 })
    await ward.keys.disable(disabled.record.id)
    await ward.keys.revoke(revoked.record.id)
    ward.time.now += 2_000
    const ask = async (text: string, scope?: string) =>
      codeOf(await ward.admit(withKey(text), scope === undefined ? {} : { scope }))
    for (let asked = 0; asked < 5; asked += 1) {
      expect(await ask(disabled.text)).toBe('key_disabled')
      expect(await ask(right.text, 'reports')).toBe('scope_missing')
    }
    expect(await ask(revoked.text)).toBe('key_revoked')
    expect(await ask(expired.text)).toBe('key_expired')
    expect(await ask(revoked.text)).toBe('key_revoked')
    expect(await ask(revoked.text)).toBe('too_many_bad_keys')
    expect(await ask(expired.text)).toBe('too_many_bad_keys')
    expect(await signIn(ward, revoked.text)).toMatchObject({ refusal: { code: 'too_many_bad_keys' } })
    expect(await ask(right.text)).toBe('admitted')
    expect(codeOf(await ward.admit(withKey(revoked.text, '192.0.2.1')))).toBe('key_revoked')
  })
})

describe('admit', () => {
  test('a right key is admitted, with a caller that holds no secret', async () => {
    const ward = await openTestWard()
    const { text, record } = await ward.keys.create({ name: 'a', owner: 'acme', metadata: { plan: 'pro' } })
    const verdict = await ward.admit(withKey(text), { scope: 'predict' })
    expect(verdict).toMatchObject({
      admitted: true,
      caller: { keyId: record.id, owner: 'acme', metadata: { plan: 'pro' } },
    })
    expect(JSON.stringify(verdict)).not.toContain(text.slice(21))
    expect(Object.isFrozen(verdict.caller)).toBe(true)
  })

  test('no key is 401 with a challenge, whatever the route demands', async () => {
    const ward = await openTestWard({ realm: 'house' })
    for (const demand of [{}, { scope: 'predict' }, { anyKey: true }, { session: 'read' as const }]) {
      const verdict = await ward.admit(headOf(), demand)
      expect(verdict).toMatchObject({
        admitted: false,
        refusal: {
          code: 'key_missing',
          status: 401,
          headers: { 'www-authenticate': 'ApiKey realm="house", header="X-API-Key"' },
        },
      })
    }
  })

  test('a malformed key, an unknown id and a wrong secret get one answer', async () => {
    const ward = await openTestWard()
    const { text, record } = await ward.keys.create({ name: 'a' })
    const secret = 'a'.repeat(43)
    const wrongSecret = formatKey(ward.format, { id: record.id, secret })
    const unknown = formatKey(ward.format, { id: '000000000000', secret })
    const answers = []
    for (const wrong of ['nonsense', unknown, wrongSecret, `${text}x`]) {
      const verdict = await ward.admit(withKey(wrong))
      answers.push(
        verdict.admitted ? verdict : [verdict.refusal.code, verdict.refusal.status, verdict.refusal.message],
      )
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set([JSON.stringify(['key_invalid', 403, 'Invalid API key'])]),
    )
  })

  test('the secret of one key does not open another', async () => {
    const store = createMemoryKeyStore()
    const ward = await openTestWard({ store })
    const mine = await ward.keys.create({ name: 'mine' })
    const theirs = await ward.keys.create({ name: 'theirs', scopes: ['admin'] })
    // An attacker with write access to the database puts the digest of their own key into another's
    // row.
    await store.replaceKey({ ...theirs.record, version: 2, secrets: mine.record.secrets })
    expect(codeOf(await ward.admit(withKey(mine.text), { scope: 'admin' }))).toBe('scope_missing')
    expect(codeOf(await ward.admit(withKey(theirs.text), { scope: 'admin' }))).toBe('key_invalid')
  })

  test('text that is no key never reaches the store', async () => {
    const ward = await openTestWard()
    for (const garbage of [
      'x',
      'mw_live_',
      `mw_live_7Qm2xT0bKc9Z_${'a'.repeat(49)}`,
      'é'.repeat(70),
      'a'.repeat(100_000),
    ])
      expect(codeOf(await ward.admit(withKey(garbage)))).toBe('key_invalid')
    expect(ward.calls.get('findKey')).toBeUndefined()
    expect(ward.calls.get('findImportedKey')).toBeUndefined()
  })

  test('a test key on a live server is refused before any look-up, and the reverse', async () => {
    for (const [environment, other] of [['live', 'test'] as const, ['test', 'live'] as const]) {
      const ward = await openTestWard({ format: { prefix: 'mw', environment } })
      const { text } = await ward.keys.create({ name: 'a', environment: other })
      expect(codeOf(await ward.admit(withKey(text)))).toBe('key_invalid')
      expect(ward.calls.get('findKey')).toBeUndefined()
    }
  })

  test('a cached key costs the store nothing', async () => {
    const ward = await openTestWard()
    const { text } = await ward.keys.create({ name: 'a' })
    await ward.admit(withKey(text))
    const before = new Map(ward.calls)
    for (let time = 0; time < 100; time += 1) await ward.admit(withKey(text))
    expect(ward.calls).toEqual(before)
  })

  test('a key sent twice, or differently in two places, is ambiguous; the same in two places is one', async () => {
    const ward = await openTestWard({ schemes: [apiKeyHeader({ name: 'X-API-Key' }), bearer()] })
    const { text } = await ward.keys.create({ name: 'a' })
    const admit = async (headers: Readonly<Record<string, string | readonly string[]>>) =>
      codeOf(await ward.admit(headOf(headers)))
    expect(await admit({ 'x-api-key': [text, text] })).toBe('key_ambiguous')
    expect(await admit({ 'x-api-key': [text, 'wrong'] })).toBe('key_ambiguous')
    expect(await admit({ 'x-api-key': text, authorization: 'Bearer wrong' })).toBe('key_ambiguous')
    expect(await admit({ 'x-api-key': text, authorization: `Bearer ${text}` })).toBe('admitted')
    expect(await admit({ authorization: `Bearer ${text}` })).toBe('admitted')
    expect(await admit({ 'x-api-key': text, authorization: 'Basic abc' })).toBe('admitted')
  })
})

describe('status, addresses and scopes', () => {
  test('each status has its code, from the moment it holds', async () => {
    const ward = await openTestWard()
    const start = ward.time.now
    const { text, record } = await ward.keys.create({
      name: 'a',
      notBefore: start + 10,
      expiresAt: start + 20,
    })
    const admit = async (now: number) => {
      ward.time.now = now
      return codeOf(await ward.admit(withKey(text)))
    }
    expect(await admit(start + 9)).toBe('key_not_yet_valid')
    expect(await admit(start + 10)).toBe('admitted')
    expect(await admit(start + 20)).toBe('key_expired')
    expect(await admit(start + 19)).toBe('admitted')
    await ward.keys.disable(record.id)
    await ward.refresh()
    expect(await admit(start + 19)).toBe('key_disabled')
    await ward.keys.enable(record.id)
    await ward.refresh()
    expect(await admit(start + 19)).toBe('admitted')
    await ward.keys.revoke(record.id, 'leaked')
    await ward.refresh()
    expect(await admit(start + 19)).toBe('key_revoked')
  })

  test('after a rotation both secrets work through the overlap, then the old one is expired, as replaced', async () => {
    const ward = await openTestWard()
    const old = await ward.keys.create({ name: 'a' })
    await ward.admit(withKey(old.text))
    const renewed = await ward.keys.rotate(old.record.id, { overlapMs: 1_000 })
    await ward.refresh()
    expect(renewed.record.id).toBe(old.record.id)
    expect(codeOf(await ward.admit(withKey(old.text)))).toBe('admitted')
    expect(codeOf(await ward.admit(withKey(renewed.text)))).toBe('admitted')
    ward.time.now += 1_000
    const verdict = await ward.admit(withKey(old.text))
    expect(verdict).toMatchObject({
      refusal: { code: 'key_expired', message: expect.stringContaining('replaced') },
    })
    expect(codeOf(await ward.admit(withKey(renewed.text)))).toBe('admitted')
  })

  test('an address that is not on the list is refused, and an unknown one too', async () => {
    const ward = await openTestWard()
    const { text } = await ward.keys.create({ name: 'a', addresses: ['10.0.0.0/8', '2001:db8::/32'] })
    expect(codeOf(await ward.admit(withKey(text, '10.1.2.3')))).toBe('admitted')
    expect(codeOf(await ward.admit(withKey(text, '2001:db8::7')))).toBe('admitted')
    expect(codeOf(await ward.admit(withKey(text, '192.0.2.1')))).toBe('address_denied')
    expect(codeOf(await ward.admit({ ...withKey(text), address: undefined }))).toBe('address_denied')
  })

  test('a route asks for all of its scopes', async () => {
    const ward = await openTestWard()
    const { text } = await ward.keys.create({ name: 'a', scopes: ['predict', 'jobs'] })
    expect(codeOf(await ward.admit(withKey(text), { scope: ['predict', 'jobs'] }))).toBe('admitted')
    expect(await ward.admit(withKey(text), { scope: ['predict', 'other'] })).toMatchObject({
      refusal: { code: 'scope_missing', status: 403, message: expect.stringContaining('`other`') },
    })
  })

  test('an admin key works on admin routes and where any key will do, and nowhere else', async () => {
    const ward = await openTestWard()
    const { text } = await ward.keys.create({ name: 'a', scopes: ['admin'] })
    expect(codeOf(await ward.admit(withKey(text), { scope: 'admin' }))).toBe('admitted')
    expect(codeOf(await ward.admit(withKey(text), { anyKey: true }))).toBe('admitted')
    expect(codeOf(await ward.admit(withKey(text), {}))).toBe('scope_missing')
    expect(codeOf(await ward.admit(withKey(text), { scope: 'predict' }))).toBe('scope_missing')
  })

  test("the route's own check runs once, last, and refuses in its own words; its error is a fault", async () => {
    const ward = await openTestWard()
    const { text } = await ward.keys.create({ name: 'a' })
    let runs = 0
    const check = () => {
      runs += 1
      throw new Refusal('forbidden', 'beta only')
    }
    expect(codeOf(await ward.admit(withKey(text), { check, scope: 'other' }))).toBe('scope_missing')
    expect(runs).toBe(0)
    expect(await ward.admit(withKey(text), { check })).toMatchObject({
      refusal: { message: 'beta only' },
    })
    expect(runs).toBe(1)
    const broken = () => {
      throw new TypeError('bug')
    }
    await expect(ward.admit(withKey(text), { check: broken })).rejects.toThrow('bug')
  })
})

describe('when the store is out', () => {
  test('an unknown key is a fault, never a refusal; a key in memory goes on for the lease and not longer', async () => {
    const ward = await openTestWard()
    const known = await ward.keys.create({ name: 'a' })
    const unseen = await ward.keys.create({ name: 'b' })
    await ward.admit(withKey(known.text))
    ward.outage.fault = new Fault('store_unavailable', 'gone')
    await expect(ward.admit(withKey(unseen.text))).rejects.toMatchObject({ code: 'store_unavailable' })
    ward.time.monotonic = 5_000
    expect(codeOf(await ward.admit(withKey(known.text)))).toBe('admitted')
    ward.time.monotonic = 5_001
    await expect(ward.admit(withKey(known.text))).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(codeOf(await ward.admit(withKey('garbage')))).toBe('key_invalid')
  })

  test('setting the wall clock back does not lengthen the lease', async () => {
    const ward = await openTestWard()
    const { text } = await ward.keys.create({ name: 'a' })
    await ward.admit(withKey(text))
    ward.outage.fault = new Fault('store_unavailable', 'gone')
    ward.time.now -= 3_600_000
    ward.time.monotonic = 5_001
    await expect(ward.admit(withKey(text))).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe('autoError: false', () => {
  const schemes = [apiKeyHeader({ name: 'X-API-Key', autoError: false })]

  test('tolerates only absence: a wrong key is still refused', async () => {
    const ward = await openTestWard({ schemes })
    expect(await ward.admit(headOf())).toMatchObject({ admitted: true, caller: null })
    expect(codeOf(await ward.admit(withKey('wrong')))).toBe('key_invalid')
  })

  test('lets no request without a key past a demand', async () => {
    const ward = await openTestWard({ schemes })
    for (const demand of [
      { scope: 'predict' },
      { check: () => {} },
      { session: 'read' as const },
      { anyKey: true },
    ])
      expect(codeOf(await ward.admit(headOf(), demand))).toBe('key_missing')
  })
})

test('invalidKeyStatus: 401 answers a wrong key with 401 and a challenge, in the same words', async () => {
  const ward = await openTestWard({ invalidKeyStatus: 401 })
  expect(await ward.admit(withKey('wrong'))).toMatchObject({
    refusal: {
      code: 'key_invalid',
      status: 401,
      message: 'Invalid API key',
      headers: { 'www-authenticate': 'ApiKey realm="modelward", header="X-API-Key"' },
    },
  })
})

describe('a session', () => {
  async function openSession() {
    const ward = await openTestWard()
    const issued = await ward.keys.create({ name: 'a', scopes: ['admin'] })
    const signedIn = await signIn(ward, issued.text)
    const cookie = signedIn.admitted ? `${sessionCookie}=${signedIn.session}` : ''
    return { ward, issued, cookie }
  }

  test('serves pages that take one, and no route that does not', async () => {
    const { ward, cookie } = await openSession()
    expect(codeOf(await ward.admit(headOf({ cookie }), { anyKey: true, session: 'read' }))).toBe('admitted')
    expect(codeOf(await ward.admit(headOf({ cookie }), { scope: 'admin' }))).toBe('key_missing')
  })

  test('needs the CSRF header where something may change', async () => {
    const { ward, cookie } = await openSession()
    const demand = { scope: 'admin', session: 'csrf' as const }
    expect(codeOf(await ward.admit(headOf({ cookie }), demand))).toBe('forbidden')
    expect(codeOf(await ward.admit(headOf({ cookie, [csrfHeader]: '1' }), demand))).toBe('admitted')
  })

  test('ends with its key', async () => {
    const { ward, issued, cookie } = await openSession()
    await ward.keys.revoke(issued.record.id)
    expect(codeOf(await ward.admit(headOf({ cookie }), { anyKey: true, session: 'read' }))).toBe(
      'key_revoked',
    )
  })

  test('ends with the secret that signed in', async () => {
    const { ward, issued, cookie } = await openSession()
    await ward.keys.rotate(issued.record.id)
    expect(codeOf(await ward.admit(headOf({ cookie }), { anyKey: true, session: 'read' }))).toBe(
      'key_expired',
    )
  })

  test('is not given to a wrong key or one that is not active', async () => {
    const { ward, issued } = await openSession()
    expect(await signIn(ward, 'wrong')).toMatchObject({ refusal: { code: 'key_invalid' } })
    await ward.keys.disable(issued.record.id)
    expect(await signIn(ward, issued.text)).toMatchObject({
      refusal: { code: 'key_disabled' },
    })
  })
})

describe('peppers', () => {
  test('a key made under an older pepper works, and is under the current one after its first use', async () => {
    const store = createMemoryKeyStore()
    const { text, record } = await (await openTestWard({ store })).keys.create({ name: 'a' })
    const both = parsePeppers(`${testPepper},${drawPepper(2)}`, 'the test')
    const ward = await openTestWard({ store, peppers: both })
    expect(codeOf(await ward.admit(withKey(text)))).toBe('admitted')
    expect((await store.findKey(record.id))?.secrets.map((secret) => secret.pepperVersion)).toEqual([2])
    await ward.refresh()
    expect(codeOf(await ward.admit(withKey(text)))).toBe('admitted')
  })

  test('an upgrade that cannot be written does not refuse the caller', async () => {
    const store = createMemoryKeyStore()
    const { text } = await (await openTestWard({ store })).keys.create({ name: 'a' })
    const { telemetry, names } = collectEvents()
    const full = new Fault('store_unavailable', 'disk full')
    const ward = await openTestWard({
      store: { ...store, replaceKey: () => Promise.reject(full) },
      peppers: parsePeppers(`${testPepper},${drawPepper(2)}`, 'the test'),
      telemetry,
    })
    expect(codeOf(await ward.admit(withKey(text)))).toBe('admitted')
    expect(names).toEqual(['keys.upgrade_failed'])
  })

  test('another pepper under the same version, or a missing one, stops the ward before any key is called wrong', async () => {
    const store = createMemoryKeyStore()
    await openTestWard({ store, peppers: parsePeppers(`${testPepper},${drawPepper(2)}`, 'the test') })
    await expect(openTestWard({ store, peppers: parsePeppers(drawPepper(1), 'x') })).rejects.toMatchObject({
      code: 'pepper_mismatch',
    })
    await expect(openTestWard({ store, peppers: parsePeppers(drawPepper(3), 'x') })).rejects.toMatchObject({
      code: 'pepper_missing',
    })
    await expect(openTestWard({ store })).rejects.toMatchObject({ code: 'pepper_missing' })
  })
})
