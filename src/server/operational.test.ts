import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { createMemoryLedger } from '../../test/support/memory-ledger.ts'
import { type AskingApp, closeApps, openAskingApp as open } from '../../test/support/open-asking-app.ts'

afterEach(closeApps)

const body = { text: 'I love this' }
const statusOf = async (answer: ReturnType<AskingApp['ask']>): Promise<number> => (await answer).statusCode

describe('an administrator', () => {
  test('revokes though everyone together have used up what they share', async () => {
    const opened = await open({ ward: { limitEveryone: ['2/min', '30 characters/min'] } })
    const { ask, keys } = opened
    const { id } = (await ask('GET', '/v1/keys/self')).json()
    for (const status of [200, 200, 429])
      expect(await statusOf(ask('POST', '/predict', { body }))).toBe(status)
    const revoked = await ask('POST', `/v1/keys/${id}/revoke`, { key: keys.admin })
    expect(revoked.statusCode).toBe(200)
  })

  test('is not stopped by the default of keys, in a script of many calls', async () => {
    const { ask, keys } = await open({ ward: { limitDefault: ['3/min', '1 concurrent'] } })
    for (let calls = 0; calls < 61; calls += 1)
      expect(await statusOf(ask('GET', '/v1/keys', { key: keys.admin }))).toBe(200)
  })
})

test('a key at its limit fetches and cancels what it has paid for, and reads its own status', async () => {
  const { ask, createKey, submit } = await open()
  const key = await createKey({ limits: ['2/calendar month', '2 concurrent'] })
  const [first, second] = [await submit('a', key), await submit('b', key)]
  expect(await statusOf(ask('POST', '/predict', { key, body }))).toBe(429)
  for (const path of [`/jobs/${first.id}`, '/jobs', `/jobs/${first.id}/events`, '/v1/keys/self'])
    expect(await statusOf(ask('GET', path, { key })), path).toBe(200)
  expect(await statusOf(ask('DELETE', `/jobs/${second.id}`, { key }))).not.toBe(429)
  const { limits_left } = (await ask('GET', '/v1/keys/self', { key })).json()
  expect(limits_left).toMatchObject([{ used: 2, remaining: 0 }, {}])
})

describe('the limit of operational requests', () => {
  test('stops the key that floods, names itself, and stops no other key, session or prediction', async () => {
    const opened = await open({ ward: { limitOperational: '2/min' } })
    const { ask, keys, app } = opened
    const signedIn = await app.inject({ method: 'POST', url: '/session', payload: { key: keys.right } })
    const cookie = String(signedIn.headers['set-cookie']).split(';')[0] ?? ''
    expect(await statusOf(ask('GET', '/v1/keys/self'))).toBe(200)
    const refused = await ask('GET', '/openapi.json')
    expect(refused.statusCode).toBe(429)
    expect(refused.json()).toMatchObject({ code: 'rate_limited' })
    expect(refused.json().detail).toContain('The limit of operational requests, 2/min')
    expect(refused.headers['ratelimit-policy']).toBe('"operational-minute";q=2;w=60')
    expect(await statusOf(ask('POST', '/predict', { body }))).toBe(200)
    const page = await app.inject({ url: '/openapi.json', headers: { cookie } })
    expect(page.statusCode).toBe(200)
    expect(await statusOf(ask('GET', '/v1/keys', { key: keys.admin }))).toBe(200)
  })

  test('`none`: there is no such limit', async () => {
    const { ask } = await open({ ward: { limitOperational: 'none' } })
    for (let calls = 0; calls < 700; calls += 1) await ask('GET', '/v1/keys/self')
    expect(await statusOf(ask('GET', '/v1/keys/self'))).toBe(200)
  })
})

test('the record of an operational request measures no request, that of a refused one none; usage tells them apart', async () => {
  const ledger = createMemoryLedger({ signingKey: generateKeyPairSync('ed25519').privateKey })
  const { ask, createKey, keys } = await open({ ward: { ledger } })
  const key = await createKey({ owner: 'acme', limits: ['1/min'] })
  const measured: unknown[] = []
  for (const asked of [
    () => ask('POST', '/predict', { key, body }),
    () => ask('POST', '/predict', { key, body }),
    () => ask('GET', '/v1/keys/self', { key }),
    () => ask('GET', '/v1/keys', { key }),
  ]) {
    await asked()
    measured.push((await ledger.query({ limit: 1, order: 'newest' })).records[0]?.measures)
  }
  expect(measured).toEqual([{ requests: 1 }, { requests: 0 }, {}, { requests: 0 }])
  const { usage } = (
    await ask('GET', '/v1/usage?by=owner&owner=acme&since=2020-01-01', { key: keys.admin })
  ).json()
  expect(usage).toMatchObject([
    { requests: 1, admitted: 1, operational: 1, refused: { rate_limited: 1, scope_missing: 1 } },
  ])
})
