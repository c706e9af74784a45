import type { InjectOptions } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { openTestApp, type TestApp, type TestAppOptions } from '../../../../test/support/test-app.ts'
import { createMemoryKeyStore } from '../../../storage/memory/key-store.ts'

const apps: TestApp[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
})

/** The app, and a call of it by the administrator. */
async function open(ward?: TestAppOptions['ward']) {
  const opened = await openTestApp(ward && { ward })
  apps.push(opened)
  const call = (
    method: 'GET' | 'POST' | 'PATCH',
    url: string,
    payload?: object,
    headers: Record<string, string> = {},
  ) => {
    const request: InjectOptions = { method, url, headers: { 'x-api-key': opened.keys.admin, ...headers } }
    return opened.app.inject(payload === undefined ? request : { ...request, payload })
  }
  const create = async (fields: object) => (await call('POST', '/v1/keys', fields)).json()
  return { ...opened, call, create }
}

describe('the admin API', () => {
  test('is for admin keys only', async () => {
    const { app, keys } = await open()
    for (const url of ['/v1/keys', '/v1/keys/abc'])
      expect((await app.inject({ url, headers: { 'x-api-key': keys.right } })).json()).toMatchObject({
        code: 'scope_missing',
      })
  })

  test('creates a key that works, and shows its text this once', async () => {
    const { app, call, ward } = await open()
    const expires_at = new Date(ward.time.now + 86_400_000).toISOString()
    const fields = {
      name: 'mobile',
      owner: 'acme',
      metadata: { plan: 'pro' },
      addresses: ['127.0.0.0/8'],
      expires_at,
    }
    const created = await call('POST', '/v1/keys', fields)
    const { key, ...view } = created.json()
    expect([created.statusCode, created.headers['cache-control']]).toEqual([201, 'no-store'])
    expect(view).toMatchObject({ ...fields, scopes: ['predict'], status: 'active', environment: 'live' })
    const predict = {
      method: 'POST',
      url: '/predict',
      headers: { 'x-api-key': key },
      payload: { text: 'a' },
    } as const
    expect((await app.inject(predict)).statusCode).toBe(200)
    const shown = await call('GET', String(created.headers.location))
    expect(shown.json()).toEqual(view)
    expect((await call('GET', '/v1/keys')).body).not.toContain(key)
  })

  test('a lifetime is counted from now', async () => {
    const { create, ward } = await open()
    const { expires_at } = await create({ name: 'a', expires_in: '30d' })
    expect(Date.parse(expires_at)).toBe(ward.time.now + 30 * 86_400_000)
  })

  test.each([
    [{}, ['body', 'name']],
    [{ name: 5 }, ['body', 'name']],
    [{ name: 'a', color: 'red' }, ['body', 'color']],
    [{ name: 'a', id: 'x' }, ['body', 'id']],
    [{ name: 'a', expires_in: 'soon' }, ['body', 'expires_in']],
    [{ name: 'a', expires_at: 'tomorrow' }, ['body', 'expires_at']],
    [{ name: 'a', expires_at: '2001-01-01T00:00:00Z' }, ['body', 'expires_at']],
    [{ name: 'a', expires_in: '0s' }, ['body', 'expires_in']],
    [{ name: 'a', expires_at: '2027-01-01T00:00:00Z', expires_in: '1d' }, ['body', 'expires_in']],
    [{ name: 'a', scopes: 'predict' }, ['body', 'scopes']],
    [{ name: 'a', scopes: ['Not A Scope'] }, ['body', 'scopes', 0]],
    [{ name: 'a', addresses: ['300.0.0.1'] }, ['body', 'addresses', 0]],
    [{ name: 'a', limits: '10/min' }, ['body', 'limits']],
    [{ name: 'a', limits: [10] }, ['body', 'limits', 0]],
    [{ name: 'a', limits: ['10/min', 'often'] }, ['body', 'limits', 1]],
    [{ name: 'a', metadata: [] }, ['body', 'metadata']],
    [{ name: 'a', environment: 'prod' }, ['body', 'environment']],
  ])('refuses %j at %j', async (fields, loc) => {
    const { call } = await open()
    const answer = await call('POST', '/v1/keys', fields)
    expect(answer.json()).toMatchObject({ status: 422, code: 'input_invalid' })
    expect(answer.json().errors).toContainEqual(expect.objectContaining({ loc }))
  })

  test('an Idempotency-Key, quoted or bare, gives a retry the same key, and another request 422', async () => {
    const { call } = await open()
    const first = await call(
      'POST',
      '/v1/keys',
      { name: 'a', expires_in: '1d' },
      { 'idempotency-key': 'k-1' },
    )
    const again = await call(
      'POST',
      '/v1/keys',
      { name: 'a', expires_in: '1d' },
      { 'idempotency-key': '"k-1"' },
    )
    expect(again.json()).toEqual(first.json())
    const other = await call('POST', '/v1/keys', { name: 'b' }, { 'idempotency-key': 'k-1' })
    expect(other.json()).toMatchObject({ status: 422, code: 'idempotency_mismatch' })
    const id = first.json().id
    const rotation = await call('POST', `/v1/keys/${id}/rotate`, undefined, { 'idempotency-key': 'k-1' })
    expect(rotation.statusCode).toBe(422)
  })

  test.each(['', '""', 'a b', 'a'.repeat(256), '\u00e9'])(
    'the Idempotency-Key %j is refused',
    async (name) => {
      const { call } = await open()
      const answer = await call('POST', '/v1/keys', { name: 'a' }, { 'idempotency-key': name })
      expect(answer.json()).toMatchObject({ status: 422, errors: [{ loc: ['header', 'Idempotency-Key'] }] })
    },
  )

  test('changes what was sent and leaves the rest; null clears a time', async () => {
    const { call, create } = await open()
    const { id } = await create({
      name: 'a',
      owner: 'acme',
      expires_in: '1d',
      not_before: '2025-01-01T00:00:00Z',
    })
    const changed = (await call('PATCH', `/v1/keys/${id}`, { name: 'b', expires_at: null })).json()
    expect(changed).toMatchObject({
      name: 'b',
      owner: 'acme',
      expires_at: null,
      not_before: '2025-01-01T00:00:00.000Z',
    })
    expect((await call('PATCH', `/v1/keys/${id}`, { environment: 'test' })).statusCode).toBe(422)
    expect((await call('PATCH', '/v1/keys/000000000000', { name: 'b' })).json()).toMatchObject({
      code: 'not_found',
    })
  })

  test('sets limits, shows them in their shortest form, and brings the default back by null', async () => {
    const { call, create } = await open()
    const { id, limits } = await create({ name: 'a', limits: ['10/minute', '5 concurrent'] })
    expect(limits).toEqual(['10/min', '5 concurrent'])
    const change = async (fields: object) => (await call('PATCH', `/v1/keys/${id}`, fields)).json().limits
    expect(await change({ name: 'b' })).toEqual(['10/min', '5 concurrent'])
    expect(await change({ limits: [] })).toEqual([])
    expect(await change({ limits: null })).toBeNull()
    expect((await call('GET', `/v1/keys/${id}`)).json()).toMatchObject({ limits: null })
  })

  test('rotates, lets the old text live on for the overlap, and takes no body as no overlap', async () => {
    const { app, call, create, ward } = await open()
    const statusOf = async (key: string) =>
      (await app.inject({ url: '/v1/keys/self', headers: { 'x-api-key': key } })).statusCode
    const { id, key: first } = await create({ name: 'a' })
    const { key: second } = (await call('POST', `/v1/keys/${id}/rotate`, { overlap: '1h' })).json()
    expect([await statusOf(first), await statusOf(second)]).toEqual([200, 200])
    ward.time.now += 3_600_000
    expect([await statusOf(first), await statusOf(second)]).toEqual([403, 200])
    const { key: third } = (await call('POST', `/v1/keys/${id}/rotate`)).json()
    await ward.refresh()
    expect([await statusOf(second), await statusOf(third)]).toEqual([403, 200])
    expect((await call('POST', `/v1/keys/${id}/rotate`, { overlap: 'long' })).statusCode).toBe(422)
  })

  test('disables, enables and revokes, each told to the key by its own code', async () => {
    const { app, call, create, ward } = await open()
    const { id, key } = await create({ name: 'a' })
    const codeOf = async () => {
      await ward.refresh()
      return (await app.inject({ url: '/v1/keys/self', headers: { 'x-api-key': key } })).json().code
    }
    expect((await call('POST', `/v1/keys/${id}/disable`)).json()).toMatchObject({ status: 'disabled' })
    expect(await codeOf()).toBe('key_disabled')
    expect((await call('POST', `/v1/keys/${id}/enable`, {})).json()).toMatchObject({ status: 'active' })
    expect(await codeOf()).toBeUndefined()
    const revoked = await call('POST', `/v1/keys/${id}/revoke`, { reason: 'leaked' })
    expect(revoked.json()).toMatchObject({ status: 'revoked', revoked_reason: 'leaked' })
    expect(await codeOf()).toBe('key_revoked')
    expect((await call('POST', `/v1/keys/${id}/enable`)).json()).toMatchObject({
      status: 409,
      code: 'key_conflict',
    })
    expect((await call('POST', `/v1/keys/${id}/disable`, { now: true })).statusCode).toBe(422)
  })

  test('imports keys by their hash, all or none, and they work', async () => {
    const { app, call, ward } = await open()
    const { createHash } = await import('node:crypto')
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
    const list = [{ name: 'old', sha256: sha256('legacy-key-1'), limits: ['10/min'] }]
    const imported = await call('POST', '/v1/keys/import', list)
    expect(imported.statusCode).toBe(201)
    expect(imported.json().keys).toMatchObject([{ name: 'old', imported: true, limits: ['10/min'] }])
    const twice = await call('POST', '/v1/keys/import', [{ name: 'b', sha256: sha256('b') }, ...list])
    expect(twice.json()).toMatchObject({ status: 409 })
    const wrong = await call('POST', '/v1/keys/import', [list[0], { name: 'b', sha256: 'zz' }])
    expect(wrong.json()).toMatchObject({ status: 422, errors: [{ loc: ['body', 1, 'sha256'] }] })
    for (const unset of ['', '\n', '\r\n']) {
      const empty = await call('POST', '/v1/keys/import', [{ name: 'b', sha256: sha256(unset) }])
      expect(empty.json()).toMatchObject({
        status: 422,
        errors: [{ msg: expect.stringContaining('empty text') }],
      })
    }
    await ward.refresh()
    const self = await app.inject({ url: '/v1/keys/self', headers: { 'x-api-key': 'legacy-key-1' } })
    expect(self.json()).toMatchObject({ name: 'old' })
  })
})

describe('the list of keys', () => {
  test('names a key and an owner that cannot be believed beside the good ones', async () => {
    const store = createMemoryKeyStore()
    const { call } = await open({
      store: {
        ...store,
        listKeys: async (query) => ({ ...(await store.listKeys(query)), damaged: ['k00000000001'] }),
        listOwners: async (query) => ({ ...(await store.listOwners(query)), damaged: ['acme'] }),
      },
    })
    const listed = await call('GET', '/v1/keys')
    expect([listed.statusCode, listed.json()]).toEqual([
      200,
      { keys: [expect.anything(), expect.anything()], next_cursor: null, damaged: ['k00000000001'] },
    ])
    expect((await call('GET', '/v1/owners')).json()).toEqual({
      owners: [],
      next_cursor: null,
      damaged: ['acme'],
    })
  })

  test('goes page by page through every key once, newest first', async () => {
    const { call, create, ward } = await open()
    for (const name of ['a', 'b', 'c']) {
      ward.time.now += 1_000
      await create({ name })
    }
    const names: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page: { keys: { name: string }[]; next_cursor: string | null } = (
        await call('GET', `/v1/keys?limit=2${cursor && `&cursor=${cursor}`}`)
      ).json()
      names.push(...page.keys.map(({ name }) => name))
      cursor = page.next_cursor
    }
    expect(names.slice(0, 3)).toEqual(['c', 'b', 'a'])
    expect(names.slice(3).sort()).toEqual(['admin', 'right'])
  })

  test('filters by owner, scope, status and part of the name', async () => {
    const { call, create } = await open()
    const { id } = await create({ name: 'Mobile App', owner: 'acme', scopes: ['train'] })
    await call('POST', `/v1/keys/${id}/disable`)
    for (const filter of [
      'owner=acme',
      'scope=train',
      'status=disabled',
      'name=mobile',
      'owner=acme&name=app',
    ])
      expect((await call('GET', `/v1/keys?${filter}`)).json().keys).toMatchObject([{ id }])
    expect((await call('GET', '/v1/keys?owner=acme&scope=predict')).json().keys).toEqual([])
  })

  test('finds keys that were not used for long, the longest first, and those never used last', async () => {
    const { call, create, ward } = await open()
    const day = 86_400_000
    const begin = ward.time.now
    for (const name of ['new', 'old', 'unused', 'lively', 'unused too']) await create({ name, owner: 'acme' })
    const { keys } = await ward.keys.list({ owner: 'acme' })
    const idOf = (name: string): string => keys.find((key) => key.name === name)?.id ?? ''
    ward.time.now += 100 * day
    await ward.store.noteUses([
      { keyId: idOf('lively'), at: ward.time.now - 3 * day },
      { keyId: idOf('old'), at: begin + 5 * day },
      { keyId: idOf('new'), at: begin + 6 * day },
    ])
    await create({ name: 'made today', owner: 'acme' })
    interface Shown {
      readonly name: string
      readonly last_used_at: string | null
    }
    const list = async (query: string): Promise<readonly Shown[]> => {
      const found: Shown[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const url: string = `/v1/keys?owner=acme&limit=1&${query}${cursor && `&cursor=${cursor}`}`
        const page: { keys: Shown[]; next_cursor: string | null } = (await call('GET', url)).json()
        found.push(...page.keys)
        cursor = page.next_cursor
      }
      return found
    }
    const unused = await list('sort=last_used_at&unused=90d')
    expect(unused.map(({ name }) => name).slice(0, 2)).toEqual(['old', 'new'])
    expect(new Set(unused.slice(2).map(({ name }) => name))).toEqual(new Set(['unused', 'unused too']))
    expect(unused[0]?.last_used_at).toBe(new Date(begin + 5 * day).toISOString())
    expect(unused.at(-1)?.last_used_at).toBeNull()
    const latest = await list('sort=-last_used_at')
    expect(latest.map(({ name }) => name).slice(0, 3)).toEqual(['lively', 'new', 'old'])
    expect(latest.slice(3).every((key) => key.last_used_at === null)).toBe(true)
    expect(latest).toHaveLength(6)
    const named = (await ward.keys.list({ owner: 'acme', unused: '96d' })).keys.map(({ name }) => name)
    expect(named.toSorted()).toEqual(['unused', 'unused too'])
    await expect(ward.keys.list({ unused: '3 months' })).rejects.toMatchObject({ code: 'input_invalid' })
  })

  test.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=many', 'limit'],
    ['sort=secret', 'sort'],
    ['status=dead', 'status'],
    ['cursor=nonsense', 'cursor'],
    ['unused=long', 'unused'],
    ['color=red', 'color'],
  ])('refuses ?%s at %s', async (query, field) => {
    const { call } = await open()
    expect((await call('GET', `/v1/keys?${query}`)).json()).toMatchObject({
      status: 422,
      errors: [{ loc: ['query', field] }],
    })
  })
})
