import type { InjectOptions } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../../test/support/test-app.ts'
import type { NewKey } from '../../../keys/fields/new-key.ts'
import type { KeyStore } from '../../../keys/store/key-store.ts'
import { createMemoryKeyStore } from '../../../storage/memory/key-store.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

const dayMs = 86_400_000

/** The app, a key of `acme` that manages keys, and calls of it by any key. */
async function open(fields: Partial<NewKey> = {}, options: TestAppOptions = {}) {
  const opened = await openTestApp({ ...options, ward: { limitOperational: 'none', ...options.ward } })
  apps.push(opened)
  const { app, ward } = opened
  const make = async (key: Partial<NewKey> = {}) => {
    const { record, text } = await ward.keys.create({ name: 'a', owner: 'acme', ...key })
    return { id: record.id, text }
  }
  const manager = await make({ scopes: ['keys:owner', 'predict'], ...fields })
  const call = async (
    method: 'GET' | 'POST' | 'PATCH',
    url: string,
    payload?: object,
    headers: Record<string, string> = {},
  ) => {
    const request: InjectOptions = { method, url, headers: { 'x-api-key': manager.text, ...headers } }
    const answer = await app.inject(payload === undefined ? request : { ...request, payload })
    return { status: answer.statusCode, body: answer.json() }
  }
  return { ...opened, make, manager, call }
}

describe('what a key may set on its owner’s keys', () => {
  test('name, scopes of its own, addresses, an end, and metadata under `self`', async () => {
    const { call, ward } = await open()
    const expires_at = new Date(ward.time.now + dayMs).toISOString()
    const sent = { name: 'b', scopes: ['predict', 'keys:self'], addresses: ['10.0.0.0/8'], expires_at }
    const { status, body } = await call('POST', '/v1/keys', { ...sent, metadata: { self: { team: 1 } } })
    expect([status, body]).toEqual([201, expect.objectContaining({ ...sent, owner: 'acme' })])
    expect(body.metadata).toEqual({ self: { team: 1 } })
    const changed = await call('PATCH', `/v1/keys/${body.id}`, { name: 'c', expires_at: null, addresses: [] })
    expect(changed.body).toMatchObject({ name: 'c', expires_at: null, addresses: [], scopes: sent.scopes })
  })

  test.each([
    ['owner', { owner: 'acme' }],
    ['limits', { limits: null }],
    ['not_before', { not_before: null }],
    ['metadata.plan', { metadata: { plan: 'pro', self: {} } }],
  ])('not %s: 403 that names it, whatever key it is of', async (field, sent) => {
    const { call, make } = await open()
    const of = [(await make()).id, (await make({ owner: 'other' })).id, 'abcdefghijkl']
    const answers = [await call('POST', '/v1/keys', { name: 'b', ...sent })]
    for (const id of of) answers.push(await call('PATCH', `/v1/keys/${id}`, sent))
    for (const { status, body } of answers) {
      expect([status, body.code]).toEqual([403, 'scope_missing'])
      expect(body.detail).toContain(`\`${field}\``)
    }
  })

  test('nor the environment, which is in no change of a key', async () => {
    const { call } = await open()
    const { status, body } = await call('POST', '/v1/keys', { name: 'b', environment: 'test' })
    expect([status, body.detail]).toEqual([403, expect.stringContaining('`environment`')])
  })

  describe('enabling a key', () => {
    /** Calls by an administrator, by a key with `keys:write`, and by the app itself. */
    const openOperators = async () => {
      const opened = await open()
      const { ward, call, make } = opened
      const texts = [
        await make({ owner: 'ops', scopes: ['admin'] }),
        await make({ owner: 'ops', scopes: ['keys:write'] }),
      ]
      const asOperator = texts.map(({ text }) => async (url: string) => {
        const { status } = await call('POST', url, undefined, { 'x-api-key': text })
        expect(status).toBe(200)
      })
      const itself = async (url: string) => {
        const [, id = '', does] = /keys\/(\w+)\/(enable|disable)/.exec(url) ?? []
        await ward.keys[does === 'enable' ? 'enable' : 'disable'](id)
      }
      return { ...opened, operators: [...asOperator, itself] }
    }

    test('that the operator disabled: 403, until an operator enables it', async () => {
      const { call, make, operators } = await openOperators()
      for (const operate of operators) {
        const { id } = await make()
        await operate(`/v1/keys/${id}/disable`)
        const { status, body } = await call('POST', `/v1/keys/${id}/enable`)
        expect([status, body.code, body.detail]).toEqual([
          403,
          'scope_missing',
          expect.stringContaining('The operator disabled this key'),
        ])
        // Nor by way of a change that leaves it as it is, or of a disabling of its own.
        expect((await call('POST', `/v1/keys/${id}/disable`)).body.disabled_by).toBe('operator')
        expect((await call('PATCH', `/v1/keys/${id}`, { name: 'b' })).body.disabled_by).toBe('operator')
        expect((await call('POST', `/v1/keys/${id}/rotate`, {})).body.status).toBe('disabled')
        expect((await call('POST', `/v1/keys/${id}/enable`)).status).toBe(403)
        await operate(`/v1/keys/${id}/enable`)
        expect((await call('POST', `/v1/keys/${id}/enable`)).body).toMatchObject({
          status: 'active',
          disabled_at: null,
          disabled_by: null,
        })
      }
    })

    test('that it disabled itself: it may, unless an operator has disabled it since', async () => {
      const { call, make, operators, ward } = await openOperators()
      for (const operate of operators) {
        const { id } = await make()
        const disabled = await call('POST', `/v1/keys/${id}/disable`)
        expect(disabled.body).toMatchObject({ status: 'disabled', disabled_by: 'owner' })
        expect((await call('POST', `/v1/keys/${id}/enable`)).body.status).toBe('active')
        await call('POST', `/v1/keys/${id}/disable`)
        ward.time.now += 1_000
        await operate(`/v1/keys/${id}/disable`)
        expect((await call('GET', `/v1/keys/${id}`)).body).toMatchObject({
          disabled_at: disabled.body.disabled_at,
          disabled_by: 'operator',
        })
        expect((await call('POST', `/v1/keys/${id}/enable`)).status).toBe(403)
      }
    })
  })

  test('what the operator wrote into the metadata stays', async () => {
    const { call, make } = await open()
    const { id } = await make({ metadata: { plan: 'pro', self: { a: 1 } } })
    const patch = async (metadata: object) =>
      (await call('PATCH', `/v1/keys/${id}`, { metadata })).body.metadata
    expect(await patch({ self: { b: 2 } })).toEqual({ plan: 'pro', self: { b: 2 } })
    expect(await patch({})).toEqual({ plan: 'pro' })
    expect((await call('PATCH', `/v1/keys/${id}`, { metadata: { self: 'text' } })).status).toBe(422)
  })
})

describe('no key comes by more than the one that asks has', () => {
  test('what it does not say is as its own is: limits, addresses, end', async () => {
    const expiresAt = '10d'
    const { call, manager, ward } = await open({
      limits: ['5/min'],
      addresses: ['127.0.0.0/8', '10.0.0.0/8'],
      expiresAt,
    })
    const { body } = await call('POST', '/v1/keys', { name: 'b' })
    const own = await ward.keys.get(manager.id)
    expect(body).toMatchObject({ limits: ['5/min'], addresses: own.addresses })
    expect(Date.parse(body.expires_at)).toBe(own.expiresAt)
  })

  test.each([
    ['an end later than its own', 'expires_at', { expires_in: '11d' }],
    ['no end', 'expires_at', { expires_at: null }],
    ['any address', 'addresses', { addresses: [] }],
    ['a wider block', 'addresses', { addresses: ['127.0.0.0/7'] }],
    ['a block beside its own', 'addresses', { addresses: ['127.1.0.0/16', '192.168.0.1'] }],
    ['a scope that it lacks', 'special', { scopes: ['special'] }],
    ['the scope of one model, which it lacks', 'predict:constant', { scopes: ['predict:constant'] }],
  ])('not %s, given or changed', async (_, named, sent) => {
    const { call, make } = await open({ addresses: ['127.0.0.0/8'], expiresAt: '10d' })
    const narrow = await make({ addresses: ['127.0.0.1'], expiresAt: '1d' })
    for (const answer of [
      await call('POST', '/v1/keys', { name: 'b', ...sent }),
      await call('PATCH', `/v1/keys/${narrow.id}`, sent),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([403, 'scope_missing'])
      expect(answer.body.detail).toContain(`\`${named}\``)
    }
    const fits = { addresses: ['127.1.0.0/16'], expires_in: '9d' }
    expect((await call('PATCH', `/v1/keys/${narrow.id}`, fits)).status).toBe(200)
  })

  test.each([
    ['a scope that it lacks', { scopes: ['predict', 'special'], addresses: ['127.0.0.1'], expiresAt: '1d' }],
    ['no end', { addresses: ['127.0.0.1'] }],
    ['more addresses', { expiresAt: '1d' }],
  ])('nor the new text of a key with %s; it may end it', async (_, fields) => {
    const { call, make, ward } = await open({ addresses: ['127.0.0.0/8'], expiresAt: '10d' })
    const wide = await make(fields)
    expect((await call('POST', `/v1/keys/${wide.id}/rotate`)).status).toBe(403)
    expect((await ward.keys.get(wide.id)).secrets).toHaveLength(1)
    expect((await call('POST', `/v1/keys/${wide.id}/revoke`)).status).toBe(200)
  })

  test('a wider key is not narrowed either, so that its text could be had then', async () => {
    const { call, make, ward } = await open()
    const wide = await make({ scopes: ['predict', 'special'] })
    for (const sent of [{ scopes: ['predict'] }, { name: 'b' }, { addresses: ['10.0.0.0/8'] }])
      expect((await call('PATCH', `/v1/keys/${wide.id}`, sent)).status).toBe(403)
    expect((await ward.keys.get(wide.id)).version).toBe(1)
  })

  test.each([
    ['/rotate', undefined, { scopes: ['admin'] }],
    ['', { name: 'b' }, { scopes: ['usage:read'] }],
    ['/revoke', undefined, { scopes: ['keys:write'] }],
    ['/revoke', undefined, { owner: 'other' }],
  ])('nor by a change to a key that becomes wider after the look at it: %s', async (path, sent, made) => {
    const stored = createMemoryKeyStore()
    let first: (() => Promise<unknown>) | undefined
    const store: KeyStore = {
      ...stored,
      async replaceKey(...change) {
        const run = first
        first = undefined
        await run?.()
        return stored.replaceKey(...change)
      },
    }
    const { call, make, ward } = await open({}, { ward: { store } })
    const { id } = await make()
    first = () => ward.keys.update(id, made)
    const { status } = await call(path === '' ? 'PATCH' : 'POST', `/v1/keys/${id}${path}`, sent)
    expect(status).toBe('owner' in made ? 404 : 403)
    expect(await ward.keys.get(id)).toMatchObject({ ...made, version: 2, name: 'a', revokedAt: null })
  })

  test('idempotency keys are its own: those of wider keys of its owner give it nothing', async () => {
    const { app, call, make } = await open()
    const wide = await make({ scopes: ['keys:write'] })
    const create = { method: 'POST', url: '/v1/keys', payload: { name: 'b' } } as const
    const headers = { 'x-api-key': wide.text, 'idempotency-key': '1' }
    const first = (await app.inject({ ...create, headers })).json()
    const own = await call('POST', '/v1/keys', { name: 'b' }, { 'idempotency-key': '1' })
    expect([own.status, own.body.id === first.id]).toEqual([201, false])
    const again = await call('POST', '/v1/keys', { name: 'b' }, { 'idempotency-key': '1' })
    expect(again.body.key).toBe(own.body.key)
    expect(own.body.key).not.toBe(first.key)
  })

  test('a retry gets no text of a key that has become wider, or another owner’s', async () => {
    const { call, ward } = await open()
    const create = () => call('POST', '/v1/keys', { name: 'b' }, { 'idempotency-key': '1' })
    const { body } = await create()
    await ward.keys.update(body.id, { scopes: ['admin'] })
    expect((await create()).status).toBe(403)
    await ward.keys.update(body.id, { owner: 'other' })
    expect((await create()).status).toBe(404)
  })
})

describe('the keys of another owner are not there', () => {
  test.each([
    ['GET', ''],
    ['GET', '/limits'],
    ['PATCH', '', { name: 'b' }],
    ['PATCH', '', { expires_in: '1d', not: 'a field' }],
    ['PATCH', '', { name: '\u0007' }],
    ['POST', '/rotate'],
    ['POST', '/rotate', { overlap: '24h' }],
    ['POST', '/rotate', { overlap: 'soon' }],
    ['POST', '/revoke', { reason: 'leaked' }],
    ['POST', '/disable'],
    ['POST', '/enable'],
  ] as const)('%s /v1/keys/ID%s answers as for an id that no key has', async (method, path, payload?) => {
    const { call, make, ward } = await open()
    const other = await make({ owner: 'other' })
    const before = await ward.keys.get(other.id)
    const answerOf = async (id: string) => {
      const { status, body } = await call(method, `/v1/keys/${id}${path}`, payload, {
        'idempotency-key': '1',
      })
      return [status, { ...body, request_id: null }]
    }
    expect(await answerOf(other.id)).toEqual(await answerOf('abcdefghijkl'))
    expect(await ward.keys.get(other.id)).toEqual(before)
  })

  test('no list, cursor or filter shows them', async () => {
    const { call, make, manager } = await open()
    const others = [await make({ owner: 'other', name: 'b' }), await make({ owner: 'b', name: 'c' })]
    const own = [(await make({ name: 'mine' })).id, manager.id].sort()
    const idsAt = async (query: string): Promise<readonly string[]> => {
      const { body } = await call('GET', `/v1/keys?${query}`)
      expect(Object.keys(body).sort()).toEqual(['keys', 'next_cursor'])
      return body.keys.map(({ id }: { id: string }) => id).sort()
    }
    expect(await idsAt('')).toEqual(own)
    expect(await idsAt('owner=acme')).toEqual(own)
    expect(await idsAt('owner=other')).toEqual([])
    expect(await idsAt('name=b&sort=name')).toEqual([])
    for (const { id } of others) {
      const cursor = Buffer.from(JSON.stringify(['id', id, id])).toString('base64url')
      for (const order of ['id', '-id'])
        expect(own).toEqual(expect.arrayContaining([...(await idsAt(`sort=${order}&cursor=${cursor}`))]))
    }
  })
})

describe('how many keys an owner makes', () => {
  test('is bounded, exactly, however many ask at once; a revoked one makes room', async () => {
    const { call, make, ward } = await open({}, { ownerKeysMax: 5 })
    await make({ owner: 'other' })
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('POST', '/v1/keys', { name: 'b' })),
    )
    const made = answers.filter(({ status }) => status === 201)
    expect([made.length, answers.filter(({ body }) => body.code === 'key_conflict').length]).toEqual([4, 6])
    expect((await ward.keys.list({ owner: 'acme' })).keys).toHaveLength(5)
    await call('POST', `/v1/keys/${made[0]?.body.id}/revoke`)
    expect((await call('POST', '/v1/keys', { name: 'b' })).status).toBe(201)
    expect((await call('POST', '/v1/keys', { name: 'b' })).status).toBe(409)
  })

  test('revoked ones stay stored, so they are bounded too', async () => {
    const { call } = await open({}, { ownerKeysMax: 2 })
    let made = 0
    for (; ; made += 1) {
      const { status, body } = await call('POST', '/v1/keys', { name: 'b' })
      if (status !== 201) break
      await call('POST', `/v1/keys/${body.id}/revoke`)
    }
    expect(made).toBe(2 * 50 - 1)
  })

  test('an administrator makes as many as they like', async () => {
    const { app, keys } = await open({}, { ownerKeysMax: 0 })
    const request = { method: 'POST', url: '/v1/keys', payload: { name: 'b', owner: 'acme' } } as const
    expect((await app.inject({ ...request, headers: { 'x-api-key': keys.admin } })).statusCode).toBe(201)
  })
})
