import type { InjectOptions } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp } from '../../../../test/support/test-app.ts'
import type { NewKey } from '../../../keys/fields/new-key.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

async function open() {
  const opened = await openTestApp()
  apps.push(opened)
  const { app, ward } = opened
  const make = async (key: Partial<NewKey>) => {
    const { record, text } = await ward.keys.create({ name: 'a', owner: 'acme', ...key })
    return { id: record.id, text }
  }
  const call = async (key: string, url: string, payload?: object, headers: Record<string, string> = {}) => {
    const request: InjectOptions = { method: 'POST', url, headers: { 'x-api-key': key, ...headers } }
    const answer = await app.inject(payload === undefined ? request : { ...request, payload })
    return { status: answer.statusCode, body: answer.json() }
  }
  const works = async (key: string): Promise<boolean> =>
    (await app.inject({ url: '/v1/keys/self', headers: { 'x-api-key': key } })).statusCode === 200
  return { ...opened, make, call, works }
}

describe.each(['keys:self', 'keys:owner'])('a key with %s', (scope) => {
  test('rotates itself: the old secret goes on for the overlap, and without one ends', async () => {
    const { make, call, works, ward } = await open()
    const { id, text } = await make({ scopes: [scope] })
    const { status, body } = await call(text, '/v1/keys/self/rotate', { overlap: '24h' })
    expect([status, body.id]).toEqual([200, id])
    expect([await works(text), await works(body.key)]).toEqual([true, true])
    ward.time.now += 25 * 3_600_000
    expect([await works(text), await works(body.key)]).toEqual([false, true])
    const last = await call(body.key, '/v1/keys/self/rotate')
    expect([await works(body.key), await works(last.body.key)]).toEqual([false, true])
  })

  test('is rotated by the newest of its secrets alone: a stolen one does not outlive it', async () => {
    const { make, call, works } = await open()
    const { id, text } = await make({ scopes: [scope] })
    const { body } = await call(text, '/v1/keys/self/rotate', { overlap: '24h' })
    const urls = ['/v1/keys/self/rotate', ...(scope === 'keys:owner' ? [`/v1/keys/${id}/rotate`] : [])]
    for (const url of urls)
      expect(await call(text, url)).toMatchObject({ status: 409, body: { code: 'key_conflict' } })
    expect(await works(body.key)).toBe(true)
    expect((await call(body.key, '/v1/keys/self/rotate')).status).toBe(200)
  })

  test('of rotations at once by one secret, one is made', async () => {
    const { make, call, ward } = await open()
    const { id, text } = await make({ scopes: [scope] })
    const rotate = () => call(text, '/v1/keys/self/rotate', { overlap: '24h' })
    const statuses = (await Promise.all([rotate(), rotate(), rotate()])).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 409, 409])
    expect((await ward.keys.get(id)).secrets).toHaveLength(2)
  })

  test('gets the answer again where it was lost, by the secret that asked', async () => {
    const { make, call, works } = await open()
    const { text } = await make({ scopes: [scope] })
    const rotate = () => call(text, '/v1/keys/self/rotate', { overlap: '24h' }, { 'idempotency-key': 'r1' })
    const first = await rotate()
    expect((await rotate()).body.key).toBe(first.body.key)
    expect(await works(first.body.key)).toBe(true)
  })

  test('revokes itself, with a reason', async () => {
    const { make, call, works, ward } = await open()
    const { id, text } = await make({ scopes: [scope] })
    await make({ scopes: ['keys:owner'] })
    const { status, body } = await call(text, '/v1/keys/self/revoke', { reason: 'leaked' })
    expect([status, body.status, body.revoked_reason]).toEqual([200, 'revoked', 'leaked'])
    expect([await works(text), (await ward.keys.get(id)).revokedReason]).toEqual([false, 'leaked'])
  })
})

test('a key without the scope does neither, and an admin key both', async () => {
  const { make, call, keys } = await open()
  const { text } = await make({ scopes: ['predict'] })
  for (const act of ['rotate', 'revoke'])
    expect(await call(text, `/v1/keys/self/${act}`)).toMatchObject({
      status: 403,
      body: { code: 'scope_missing' },
    })
  const { status, body } = await call(keys.admin, '/v1/keys/self/rotate')
  expect(status).toBe(200)
  expect((await call(body.key, '/v1/keys/self/revoke')).status).toBe(200)
})

test('a key that reaches beyond its owner rotates itself, and nothing else of its kind', async () => {
  const { make, call } = await open()
  const { id, text } = await make({ scopes: ['keys:write', 'keys:self'] })
  expect((await call(text, `/v1/keys/${id}/rotate`)).status).toBe(403)
  expect((await call(text, '/v1/keys/self/rotate')).status).toBe(200)
})

test('what an older secret makes ends with it', async () => {
  const { make, call, ward } = await open()
  const { text } = await make({ scopes: ['keys:owner', 'predict'] })
  const plain = await make({ scopes: ['predict'] })
  await call(text, '/v1/keys/self/rotate', { overlap: '1h' })
  const { body } = await call(text, '/v1/keys', { name: 'b' })
  expect(Date.parse(body.expires_at)).toBe(ward.time.now + 3_600_000)
  expect((await call(text, '/v1/keys', { name: 'b', expires_at: null })).status).toBe(403)
  expect((await call(text, `/v1/keys/${plain.id}/rotate`)).status).toBe(403)
})

describe('the last active key that manages its owner’s', () => {
  const ends = [
    ['POST', '/v1/keys/self/revoke', undefined],
    ['POST', '/v1/keys/ID/revoke', undefined],
    ['POST', '/v1/keys/ID/disable', undefined],
    ['PATCH', '/v1/keys/ID', { scopes: ['keys:self'] }],
    ['PATCH', '/v1/keys/ID', { expires_at: '2020-01-01' }],
    ['PATCH', '/v1/keys/ID', { expires_in: '1s' }],
  ] as const
  test.each(ends)(
    '%s %s %j: only with ?force=true, or where another is left',
    async (method, path, payload) => {
      const { app, make } = await open()
      const ask = async (force = '') => {
        const { id, text } = await make({ scopes: ['keys:owner'] })
        const request = { method, url: `${path.replace('ID', id)}${force}`, headers: { 'x-api-key': text } }
        const answer = await app.inject({ ...request, ...(payload && { payload }) })
        if (answer.statusCode === 409)
          expect(answer.json()).toMatchObject({
            code: 'key_conflict',
            detail: expect.stringContaining('force=true'),
          })
        return answer.statusCode
      }
      // Of neither: disabled, of another owner, for other servers.
      await make({ scopes: ['keys:owner'], owner: 'other' })
      await make({ scopes: ['keys:owner'], environment: 'test' })
      expect(await ask('?force=false')).toBe(409)
      // The first is left.
      expect(await ask()).toBe(200)
      expect(await ask('?force=true')).toBe(200)
    },
  )

  test('of two that end each other at once, one is left', async () => {
    const { make, call, ward } = await open()
    for (let round = 0; round < 20; round += 1) {
      const owner = `owner ${round}`
      const [one, other] = [
        await make({ scopes: ['keys:owner'], owner }),
        await make({ scopes: ['keys:owner'], owner }),
      ]
      const answers = await Promise.all([
        call(one.text, `/v1/keys/${other.id}/revoke`),
        call(other.text, `/v1/keys/${one.id}/revoke`),
      ])
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      const { keys } = await ward.keys.list({ owner })
      expect(keys.filter(({ revokedAt }) => revokedAt === null)).toHaveLength(1)
    }
  })

  test('an administrator ends it without a word more', async () => {
    const { make, call, keys } = await open()
    const { id } = await make({ scopes: ['keys:owner'] })
    expect((await call(keys.admin, `/v1/keys/${id}/revoke`)).status).toBe(200)
  })
})

test('a browser’s session does what its key may, with the CSRF header', async () => {
  const { app, make } = await open()
  const { text } = await make({ scopes: ['keys:owner'] })
  const signedIn = await app.inject({ method: 'POST', url: '/session', payload: { key: text } })
  const cookie = String(signedIn.headers['set-cookie']).split(';')[0] ?? ''
  const ask = async (headers: Record<string, string>, url: string) =>
    (await app.inject({ method: 'POST', url, headers: { cookie, ...headers } })).statusCode
  const csrf = { 'x-modelward-csrf': '1' }
  expect(await ask({}, '/v1/keys/self/rotate')).toBe(403)
  expect(await ask(csrf, '/v1/keys/import')).toBe(403)
  const list = (headers: Record<string, string>) =>
    app.inject({ url: '/v1/keys', headers: { cookie, ...headers } })
  expect([(await list({})).statusCode, (await list(csrf)).statusCode]).toEqual([403, 200])
  expect(await ask(csrf, '/v1/keys/self/rotate')).toBe(200)
  // The secret that signed in has ended.
  expect((await list(csrf)).json().code).toBe('key_expired')
})
